"""LAMMPS as the engine that samples for training: any size, any number of ranks, its own fix npt.

Every run is a process of its own, with the model as it is now: written as a model file, loaded by
``pair_style mliap unified``, as in production. The prior may also be a pair style of LAMMPS, or a
whole input of the user's (`lammps.inputs`); then the model file holds the correction alone, laid
over it by ``pair_style hybrid/overlay``.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from ocvf_lmp.arrays import Species
from ocvf_lmp.errors import InputError, LammpsError, SimulationError
from ocvf_lmp.lammps.cells import write_data
from ocvf_lmp.lammps.frames import read_frames, read_thermo
from ocvf_lmp.lammps.gate import VARIABLE
from ocvf_lmp.lammps.inputs import atom_style_of, generated_input, variables_of
from ocvf_lmp.lammps.model_file import export_model
from ocvf_lmp.lammps.model_header import ModelHeader
from ocvf_lmp.lammps.parity import needs_ghosts
from ocvf_lmp.lammps.run import Lammps, run_lammps
from ocvf_lmp.md.engine import Frame, OnFrame
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.state import NptState
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.experts import experts_of
from ocvf_lmp.potential.protocol import Potential
from ocvf_lmp.system.cell import lower_triangular, volume
from ocvf_lmp.system.structure import Structure

LARGEST_RATIO = 1.5
"""Factor by which the volume may grow or shrink in a run."""


class LammpsEngine:
    """See `md.engine.Engine`.

    Args:
        lammps: how to start it.
        ranks: MPI ranks of each run.
        precision: in which LAMMPS evaluates the model.
        prior: the LAMMPS commands ``pair_style`` and ``pair_coeff`` of a prior that is one of
            LAMMPS' own, or the path of an input that runs it (see `lammps.inputs`); empty: the
            prior is in the model.
        timeout: for each run, s.

    Raises:
        InputError: an input that cannot be used.
    """

    def __init__(
        self,
        lammps: Lammps,
        ranks: int = 1,
        precision: str = "float64",
        prior: Sequence[str] | Path = (),
        timeout: float | None = None,
    ) -> None:
        self.lammps, self.ranks, self.precision = lammps, ranks, precision
        self.input_file = prior.absolute() if isinstance(prior, Path) else None
        self.commands = () if isinstance(prior, Path) else tuple(prior)
        self.atom_style = atom_style_of(self.input_file) if self.input_file else "atomic"
        self.timeout = timeout
        self.ghosts = needs_ghosts(lammps)

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
        environment = {}
        if experts_of(potential) is not None:  # pyright: ignore
            environment[VARIABLE] = repr(params.temperature)
        with _run_folder() as folder:
            header = self._export(folder / "model.pt", potential)
            write_data(folder / "start.data", start, velocities, self.atom_style)
            script = self._input(folder, header, params)
            wide = self.ghosts and header.n_hops > 1
            variables = variables_of(header, params, n_steps, every, wide)
            run_lammps(
                self.lammps, script, folder, self.ranks, variables | {"here": script.parent},
                timeout=self.timeout, environment=environment,
            )  # fmt: skip
            self._tell(folder, range(every, n_steps + 1, every), species, on_frame)
            (end,) = read_frames(folder / "last.dump", [n_steps], species)
            if end.velocities is None:
                raise LammpsError(
                    f"expected columns vx vy vz in {folder / 'last.dump'}, found none; dump them"
                )
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
        delta_only = bool(self.commands or self.input_file)
        if delta_only and not isinstance(potential, Corrected):
            raise InputError(
                "expected a corrected potential where LAMMPS alone knows the prior, found"
                f" {type(potential).__name__}; build it with a correction"
            )
        return export_model(path, potential, delta_only=delta_only, precision=self.precision)

    def _input(self, folder: Path, header: ModelHeader, params: NptParameters) -> Path:
        if self.input_file is not None:
            return self.input_file
        text = generated_input(self.commands, header.symbols, params.mode)
        (folder / "in.run").write_text(text)
        return Path("in.run")

    def _tell(self, folder: Path, steps: range, species: Species, on_frame: OnFrame) -> None:
        thermo = read_thermo(folder / "log.lammps")
        for frame in read_frames(folder / "frames.dump", steps, species):
            step = frame.step
            if step not in thermo:
                raise LammpsError(
                    f"expected a line of thermodynamics at step {step}, found none; look at the log"
                )
            row = thermo[step]
            names = (("Pxx", "Pxy", "Pxz"), ("Pxy", "Pyy", "Pyz"), ("Pxz", "Pyz", "Pzz"))
            pressure = torch.tensor([[row[k] for k in line] for line in names], dtype=torch.float64)
            on_frame(Frame(step, frame.positions, frame.cell, row["Temp"], pressure, row["PotEng"]))


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
    if not before / LARGEST_RATIO <= size <= before * LARGEST_RATIO:
        raise SimulationError(
            f"expected the simulation at {params.temperature:g} K to stay on physical ground, found"
            f" a volume of {size:.4g} Å³ after {before:.4g} Å³ at the start of the run in LAMMPS;"
            " lower training.learning_rate, or check the prior at this temperature"
        )
