"""Temperature, pressure, volume and conserved quantity of a state."""

from dataclasses import dataclass

import torch

from ocvf_lmp.arrays import Matrix3
from ocvf_lmp.md.mechanics import Mechanics
from ocvf_lmp.md.npt import conserved_energy, twice_kinetic
from ocvf_lmp.md.parameters import NptParameters, masses_of
from ocvf_lmp.md.state import NptState
from ocvf_lmp.system.cell import volume
from ocvf_lmp.units import KB, MVV2E, NKTV2P


@dataclass(frozen=True, slots=True)
class Thermo:
    """Numbers to watch a run by.

    Attributes:
        step: number of the step.
        time: ps since the start of the run.
        temperature: K, from the kinetic energy.
        pressure: bar, a third of the trace of the pressure tensor.
        volume: Å³.
        energy: potential energy, eV.
        conserved: conserved quantity, eV.
    """

    step: int
    time: float
    temperature: float
    pressure: float
    volume: float
    energy: float
    conserved: float

    def __str__(self) -> str:
        return (
            f"step {self.step} (t = {self.time:.3f} ps): T = {self.temperature:.4g} K,"
            f" P = {self.pressure:.4g} bar, V = {self.volume:.6g} Å³, U = {self.energy:.8g} eV"
        )


@torch.no_grad()
def pressure_tensor(state: NptState, mechanics: Mechanics) -> Matrix3:
    """Instantaneous pressure, kinetic part and virial, bar, (3, 3)."""
    kinetic = MVV2E * (state.momenta / state.masses[:, None]).T @ state.momenta
    return (kinetic + mechanics.virial) / volume(state.cell) * NKTV2P


@torch.no_grad()
def thermo(state: NptState, mechanics: Mechanics, params: NptParameters, step: int = 0) -> Thermo:
    """Thermodynamics of a state.

    Args:
        state: the state.
        mechanics: energy and virial of its configuration.
        params: the ensemble.
        step: number of the step.
    """
    kinetic = float(twice_kinetic(state.momenta, state.masses))
    size = float(volume(state.cell))
    return Thermo(
        step=step,
        time=step * params.timestep,
        temperature=kinetic / (masses_of(params, state.n_atoms).freedom * KB),
        pressure=(kinetic + float(torch.trace(mechanics.virial))) / (3.0 * size) * NKTV2P,
        volume=size,
        energy=float(mechanics.energy),
        conserved=float(conserved_energy(state, mechanics.energy, params)),
    )
