"""LAMMPS as the engine that samples for training: any size, any number of ranks, its own fix npt.

Every run is a process of its own, with the model as it is now: written as a model file, loaded by
``pair_style mliap unified``, as in production. The prior may also be a pair style of LAMMPS, or a
whole input of the user's (`lammps.inputs`); then the model file holds the correction alone, laid
over it by ``pair_style hybrid/overlay``.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from ocvf_lmp.arrays import Species
from ocvf_lmp.errors import InputError, LammpsError, SimulationError
from ocvf_lmp.lammps.dynamics import Host, is_physical
from ocvf_lmp.lammps.model_file import export_model
from ocvf_lmp.lammps.model_header import ModelHeader
from ocvf_lmp.md.engine import Frame, OnFrame
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.state import NptState
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.protocol import Potential
from ocvf_lmp.system.cell import lower_triangular, volume
from ocvf_lmp.system.structure import Structure


class LammpsEngine:
    """See `md.engine.Engine`.

    Args:
        host: LAMMPS, with its prior if it has one.
        precision: in which LAMMPS evaluates the model.
    """

    def __init__(self, host: Host, precision: str = "float64") -> None:
        self.host, self.precision = host, precision

    def run(
        self,
        potential: Potential,
        species: Species,
        state: NptState,
        params: NptParameters,
        n_steps: int,
        every: int,
        on_frame: OnFrame,
    ) -> NptState:
        """See `md.engine.Engine`.

        Raises:
            LammpsError: LAMMPS ended with an error, or wrote something unexpected.
        """
        cell, rotation = lower_triangular(state.cell)
        velocities = (state.momenta / state.masses[:, None]) @ rotation
        start = Structure(state.positions @ rotation, cell, species, tuple(potential.symbols))
        with _run_folder() as folder:
            model = folder / "model.pt"
            header = self._export(model, potential)
            found = self.host.run(
                folder, (model, header), start, velocities, params, n_steps, every
            )
        for frame in found.frames:
            row, pressure = found.thermo[frame.step], torch.from_numpy(found.pressure(frame.step))
            on_frame(
                Frame(frame.step, frame.positions, frame.cell, row["Temp"], pressure, row["PotEng"])
            )
        end = found.last
        assert end.velocities is not None
        _check_volume(float(volume(end.cell)), float(volume(cell)), params)
        chains = {k: torch.zeros_like(getattr(state, k)) for k in ("eta", "p_eta", "xi", "p_xi")}
        return NptState(
            positions=end.positions,
            momenta=end.velocities * state.masses[:, None],
            cell=end.cell,
            cell_momentum=torch.zeros_like(state.cell_momentum),
            masses=state.masses,
            **chains,
        )

    def _export(self, path: Path, potential: Potential) -> ModelHeader:
        assert isinstance(potential, nn.Module)
        if self.host.has_prior and not isinstance(potential, Corrected):
            raise InputError(
                "expected a corrected potential where LAMMPS alone knows the prior, found"
                f" {type(potential).__name__}; build it with a correction"
            )
        return export_model(
            path, potential, delta_only=self.host.has_prior, precision=self.precision
        )


@contextmanager
def _run_folder() -> Iterator[Path]:
    """A folder for a run; it is left behind where LAMMPS failed, since the message names it."""
    folder = Path(tempfile.mkdtemp(prefix="ocvf-run-"))
    try:
        yield folder
    except LammpsError:
        raise
    except BaseException:
        shutil.rmtree(folder)
        raise
    shutil.rmtree(folder)


def _check_volume(size: float, before: float, params: NptParameters) -> None:
    if not is_physical(before, size):
        raise SimulationError(
            f"expected the simulation at {params.temperature:g} K to stay on physical ground, found"
            f" a volume of {size:.4g} Å³ after {before:.4g} Å³ at the start of the run in LAMMPS;"
            " lower training.learning_rate, or check the prior at this temperature"
        )
