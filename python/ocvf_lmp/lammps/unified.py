"""The object that LAMMPS finds in a model file: an ML-IAP unified model."""

import logging
import math
import os
from typing import Any

import torch
from torch import Tensor, nn

from ocvf_lmp.allocator import keep_memory
from ocvf_lmp.errors import SimulationError
from ocvf_lmp.lammps import failures, ghosts
from ocvf_lmp.lammps.exchange import KEEP_ROWS, exchange_through
from ocvf_lmp.lammps.gate import Gate
from ocvf_lmp.lammps.model_header import ModelHeader
from ocvf_lmp.lammps.step import Host, Step, identify, likely_device, read_step, write_results
from ocvf_lmp.mpi import is_first_rank
from ocvf_lmp.potential import kernels
from ocvf_lmp.potential.experts import experts_of
from ocvf_lmp.potential.inference import energies_and_slopes
from ocvf_lmp.potential.protocol import Exchange
from ocvf_lmp.system.edges import Edges

KOKKOS_COLUMNS = 3
"""Columns that Kokkos exchanges safely on CPU: its buffers are sized for positions, and it writes
beyond their end otherwise, silently (LAMMPS issue 4814)."""

log = logging.getLogger("ocvf_lmp")


class MLIAPModel:
    """A potential behind the interface of ``pair_style mliap unified``.

    The attributes without underscore are those that LAMMPS reads; `ghost_cutoff` and `summary`
    are read by our plugin.

    Args:
        potential: in the precision in which it is to be evaluated.
        header: what the model file says of it.
    """

    def __init__(self, potential: nn.Module, header: ModelHeader) -> None:
        self.element_types = list(header.symbols)
        self.rcutfac = 0.5 * header.cutoff  # LAMMPS adds the "radii" of two atoms
        self.ndescriptors = 1
        self.nparams = 1
        self.interface: Any = None
        self.ghost_cutoff = header.reach
        self.summary = summary(header)
        self.header = header
        self.potential = potential.eval().requires_grad_(False)
        experts = experts_of(potential)
        self._gate = Gate(experts) if experts is not None and not experts.frozen else None
        self._dtype = getattr(torch, header.precision)
        self._host: Host | None = None
        self._device: torch.device | None = None
        self._temperature_is_checked = False

    def compute_descriptors(self, data: Any) -> None:
        """Nothing: a unified model computes all at once."""

    def compute_gradients(self, data: Any) -> None:
        """Nothing: a unified model computes all at once."""

    def compute_forces(self, data: Any) -> None:
        """Sets the energies and adds the forces of one time step.

        Raises:
            InputError: the LAMMPS input does not give the model the ghost atoms that it needs.
            SimulationError: energies or forces that are not finite.
        """
        host = identify(data)
        try:
            self._compute(data, host)
        except BaseException as error:
            if host is Host.PLUGIN:
                raise  # it ends all ranks
            failures.end_all_ranks(error)

    def _compute(self, data: Any, host: Host) -> None:
        step = read_step(data, self._device or likely_device(host))
        if self._device != step.vector.device:
            self._device = step.vector.device
            self.potential.to(self._device)
        if self._host is not host:
            self._begin(step, host)
        if self._gate is not None:
            self._gate.follow(getattr(data, "temperature", None))
        step, exchange = self._edges(step, data, host)
        energies, slope = self._evaluate(step, exchange)
        check_finite(step.vector, energies, slope)
        write_results(data, host, energies, slope)
        if not self._temperature_is_checked:
            self._check_temperature(getattr(data, "temperature", None))

    def _begin(self, step: Step, host: Host) -> None:
        self._host = host
        keep_memory()
        if host is Host.PLUGIN:
            return
        if "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(1)  # every rank would take all cores
        if is_first_rank():
            log.warning("%s\nrun by %s", self.summary, host.value)
        if host is Host.PLAIN and self.header.n_hops > 1:
            self._check_ghosts(step)

    def _check_ghosts(self, step: Step) -> None:
        ghosts.check_listed(step, "model.pt", self.header.reach)
        needed = ghosts.needed_centers(step, self.header.n_hops)
        owned, others = ghosts.fingerprints(needed, self.header.cutoff)
        everybody = failures.gathered(owned.numpy())
        if everybody is None:
            log.warning(
                "the ghost atoms of this run cannot be checked (no mpi4py, or several partitions);"
                " see that `comm_modify cutoff` is at least %g Å and the skin", self.header.reach
            )  # fmt: skip
            return
        table = torch.cat([torch.from_numpy(values) for values in everybody])
        ghosts.check_complete(table, others, self.header.reach)

    def _edges(self, step: Step, data: Any, host: Host) -> tuple[Step, Exchange]:
        if host is Host.PLAIN:
            return ghosts.needed_centers(step, self.header.n_hops), KEEP_ROWS
        narrow = host is Host.KOKKOS and not step.vector.is_cuda
        exchange = exchange_through(data, KOKKOS_COLUMNS if narrow else 0)
        return ghosts.owned_centers(step), exchange

    def _evaluate(self, step: Step, exchange: Exchange) -> tuple[Tensor, Tensor]:
        """Energies of the listed atoms, and dE/d(vector) of all pairs; float64.

        Runs to its end on ranks without atoms too: the others wait for their exchanges.
        """
        vector = step.vector.detach()
        used = vector if step.chosen is None else vector[step.chosen]
        edges = Edges(step.center, step.neighbor, used.to(self._dtype))
        rows = step.listed if step.known is None else step.listed[step.known]
        found, slopes = energies_and_slopes(self.potential, edges, step.species, rows, exchange)
        energies, slope = found, slopes.to(torch.float64)
        if step.known is not None:
            energies = torch.zeros(len(step.listed), dtype=torch.float64, device=found.device)
            energies[step.known] = found
        if step.chosen is not None:
            slope = torch.zeros_like(vector).index_copy_(0, step.chosen, slope)
        return energies, slope

    def _check_temperature(self, temperature: float | None) -> None:
        """Says once if the thermostat asks for a temperature that the correction is not for."""
        self._temperature_is_checked = True
        trained = self.header.temperature
        if temperature is None or trained is None or not abs(temperature - trained) > 1.0:
            return
        if is_first_rank():
            log.warning(
                "WARNING: the correction in this model belongs to %g K, the thermostat's target is"
                " %g K", trained, temperature
            )  # fmt: skip


def summary(header: ModelHeader) -> str:
    """What LAMMPS' log says of a model."""
    parts = [
        f"ocvf-lmp model: {header.kind}, {' '.join(header.symbols)}, cutoff {header.cutoff:g} A,"
        f" reach {header.reach:g} A, {header.precision}"
    ]
    if header.delta_only:
        parts.append("only the correction: to be added to its prior by pair_style hybrid/overlay")
    if header.temperature is not None:
        parts.append(f"the correction belongs to {header.temperature:g} K")
    parts.append(f"exported {header.created}, weights {header.checksum[:12]}")
    parts.append(f"networks on CPUs by {kernels.described()}")
    return "\n".join(parts)


def check_finite(vector: Tensor, energies: Tensor, slope: Tensor) -> None:
    """Checks that a run has not left physical ground.

    Raises:
        SimulationError: distances, energies or forces that are not finite.
    """
    if math.isfinite(sum(float(values.sum()) for values in (vector, energies, slope))):
        return  # one number that is not finite would have made the sum so; quicker than a mask
    atoms = int((~torch.isfinite(energies)).sum())
    pairs = int((~torch.isfinite(vector + slope)).any(dim=1).sum())
    raise SimulationError(
        f"expected finite energies and forces, found {atoms} energies of atoms and {pairs} pairs"
        " with distances or forces that are not; look at the last frames (atoms too close, a cell"
        " that collapses?) and start from a relaxed configuration, with a shorter time step"
    )
