"""Corrections of the states, by the ansatz that the configuration names."""

from collections.abc import Mapping

import torch
from torch import nn

from ocvf_lmp.config.schema import ExperimentConfig
from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.plan import StatePoint
from ocvf_lmp.fit.targets import PdfTarget
from ocvf_lmp.observables.scattering import scattering_factors
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.potential.experts import Experts
from ocvf_lmp.potential.pair_series import PairSeries, PairTerm
from ocvf_lmp.seeding import stream


def build_corrections(
    config: ExperimentConfig, symbols: tuple[str, ...], states: list[StatePoint]
) -> dict[str, nn.Module]:
    """ΔH of every state; where the state is held out, made of the others'.

    Raises:
        InputError: the ansatz has no correction for a state.
    """
    trained = [state for state in states if not state.held_out]
    if config.training.correction == "shared":
        one = _correction(config, symbols, "shared", trained[0])
        return dict.fromkeys([state.name for state in states], one)
    corrections = {s.name: _correction(config, symbols, s.name, s) for s in trained}
    for state in states:
        if state.held_out:
            corrections[state.name] = _gated(config, corrections, trained, state)
    return corrections


def _gated(
    config: ExperimentConfig,
    corrections: Mapping[str, nn.Module],
    trained: list[StatePoint],
    state: StatePoint,
) -> nn.Module:
    """The trained corrections, mixed at the temperature of a state that is held out."""
    anchors = sorted((s.params.temperature, s.name) for s in trained)
    temperatures = [temperature for temperature, _ in anchors]
    if len(set(temperatures)) < len(temperatures):
        raise InputError(
            "expected trained states of different temperatures to mix their corrections at the"
            f" held-out {state.name}, found two of the same; set training.correction: shared"
        )
    experts = [corrections[name] for _, name in anchors]
    width = config.training.gate_width
    return Experts(experts, temperatures, width, temperature=state.params.temperature)


def _correction(
    config: ExperimentConfig, symbols: tuple[str, ...], name: str, state: StatePoint
) -> nn.Module:
    if config.training.ansatz == "cevm":
        return PairSeries(symbols, _terms(config, symbols, state))
    options = config.correction.model_dump()
    scale = options.pop("scale")
    generator = stream(config.seed, f"correction/{name}")
    network = DimeNet(symbols, DimeNetSize(**options), generator, zero_start=True)
    network.scale.fill_(scale)
    return network


def _terms(config: ExperimentConfig, symbols: tuple[str, ...], state: StatePoint) -> list[PairTerm]:
    """One term for each PDF of a state, with the scattering powers at Q = 0."""
    counts = torch.bincount(state.structure.species, minlength=len(symbols)).double()
    terms = []
    for named in state.targets:
        if not isinstance(named.target, PdfTarget):
            continue
        at_zero = torch.zeros(1, dtype=torch.float64)
        powers = scattering_factors(symbols, at_zero, named.target.radiation)[:, 0]
        mean = float((counts * powers).sum() / counts.sum())
        first, last = config.cevm.r_range
        last = min(last, float(named.target.r[-1]))
        first = max(first, float(named.target.r[0]))
        scaled = tuple((powers / mean).tolist())
        terms.append(PairTerm(scaled, first, last, config.cevm.n_splines))
    if not terms:
        raise InputError(
            f"expected a PDF target at {state.name} for ansatz: cevm, whose observables are pair"
            " distances, found none; add one or use ansatz: network"
        )
    return terms
