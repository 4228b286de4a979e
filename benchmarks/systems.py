"""Systems that the benchmarks of the dynamics share."""

import sys
from pathlib import Path

import torch

from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.state import NptState, initial_state
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.potential.weights import load_potential
from ocvf_lmp.seeding import normal, stream
from ocvf_lmp.system.structure import perovskite

ROOT = Path(__file__).parents[1]
SYMBOLS = ("Ba", "Ti", "O")


def find_prior(given: Path | None) -> Path | None:
    """The prior's file: the one given, or the first one that is shipped."""
    if given is not None:
        return given
    return next(iter(sorted((ROOT / "data" / "prior").glob("*.pt"))), None)


def barium_titanate(
    prior: Path, repeat: int, params: NptParameters, correction: float | None
) -> tuple[torch.nn.Module, torch.Tensor, NptState]:
    """Slightly polar BaTiO3 with thermal momenta.

    Args:
        prior: file of the prior.
        repeat: unit cells along each axis.
        params: the ensemble.
        correction: None for the prior alone, or the size of the last layer's weights of a
            correction that trains.

    Returns:
        Potential, species and state.
    """
    potential: torch.nn.Module = load_potential(prior)[0]
    symbols: tuple[str, ...] = potential.symbols  # pyright: ignore
    if correction is not None:
        network = DimeNet(symbols, DimeNetSize(), stream(1, "correction"), zero_start=False)
        with torch.no_grad():
            network.scale.fill_(correction)
        potential = Corrected(potential, network)
    start = perovskite(SYMBOLS, (repeat, repeat, repeat), (4.0, 4.0, 4.02), (0.02, 0.03, 0.06))
    species = torch.tensor([symbols.index(s) for s in SYMBOLS])[start.species]
    noise = normal((start.n_atoms, 3), stream(2, "momenta"))
    cell_noise = normal((3, 3), stream(3, "cell"))
    state = initial_state(start.positions, start.cell, start.masses, params, noise, cell_noise)
    return potential, species, state


def toy(params: NptParameters) -> tuple[torch.nn.Module, torch.Tensor, NptState]:
    """The tests' metal, while no prior is at hand."""
    sys.path.insert(0, str(ROOT / "tests" / "md"))
    from md_toy import Toy, solid  # noqa: PLC0415 (not a package)  # pyright: ignore

    return Toy(), *solid(params)


def build(
    prior: Path | None, repeat: int, params: NptParameters, correction: float | None = None
) -> tuple[torch.nn.Module, torch.Tensor, NptState]:
    """Barium titanate with the prior, or the toy without one."""
    if prior is None:
        return toy(params)
    return barium_titanate(prior, repeat, params, correction)
