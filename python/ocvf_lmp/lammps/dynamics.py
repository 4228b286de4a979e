"""A run of LAMMPS at constant temperature and pressure, from a configuration to frames.

What evaluates the atoms is a model file, a pair style of LAMMPS, one laid over the other, or a
whole input of the user's: see `lammps.inputs`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ocvf_lmp.errors import LammpsError
from ocvf_lmp.lammps.cells import write_data
from ocvf_lmp.lammps.frames import DumpedFrame, read_frames, read_thermo
from ocvf_lmp.lammps.gate import VARIABLE
from ocvf_lmp.lammps.inputs import atom_style_of, generated_input, variables_of
from ocvf_lmp.lammps.model_header import ModelHeader
from ocvf_lmp.lammps.parity import needs_ghosts
from ocvf_lmp.lammps.run import Lammps, run_lammps
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.system.structure import Structure

LARGEST_RATIO = 1.5
"""Factor by which the volume may grow or shrink in a run."""

PRESSURES = (("Pxx", "Pxy", "Pxz"), ("Pxy", "Pyy", "Pyz"), ("Pxz", "Pyz", "Pzz"))


@dataclass(frozen=True, slots=True)
class Dynamics:
    """What a run has left.

    Attributes:
        frames: every so many steps, without that of step 0.
        thermo: temperature (K), potential energy (eV) and pressure (bar) by the number of the step.
        last: the configuration after the last step, with velocities (Å/ps).
    """

    frames: list[DumpedFrame]
    thermo: dict[int, dict[str, float]]
    last: DumpedFrame

    def pressure(self, step: int) -> np.ndarray:
        """Pressure tensor at a step, bar, (3, 3)."""
        row = self.thermo[step]
        return np.array([[row[k] for k in line] for line in PRESSURES])


class Host:
    """A LAMMPS that runs one prior, whatever the model that is laid over it.

    Args:
        lammps: how to start it.
        prior: its commands ``pair_style`` and ``pair_coeff``, or the path of an input that runs it
            (see `lammps.inputs`); empty: the prior is in the model.
        ranks: MPI ranks of each run.
        timeout: for each run, s.

    Raises:
        InputError: an input that cannot be used.
    """

    def __init__(
        self,
        lammps: Lammps,
        prior: Sequence[str] | Path = (),
        ranks: int = 1,
        timeout: float | None = None,
    ) -> None:
        self.lammps, self.ranks, self.timeout = lammps, ranks, timeout
        self.input_file = prior.absolute() if isinstance(prior, Path) else None
        self.commands = () if isinstance(prior, Path) else tuple(prior)
        self.atom_style = atom_style_of(self.input_file) if self.input_file else "atomic"
        self.ghosts = needs_ghosts(lammps)

    @property
    def has_prior(self) -> bool:
        """Whether LAMMPS knows the prior, so that a model file is to hold the correction alone."""
        return bool(self.commands or self.input_file)

    def run(
        self,
        folder: Path,
        model: tuple[Path, ModelHeader] | None,
        start: Structure,
        velocities: torch.Tensor,
        params: NptParameters,
        n_steps: int,
        every: int,
    ) -> Dynamics:
        """One run.

        Args:
            folder: to run in; it exists.
            model: its file and header; None: LAMMPS' own prior alone.
            start: atoms in a lower triangular cell, Å.
            velocities: Å/ps, (atoms, 3).
            params: the ensemble.
            n_steps: number of steps.
            every: steps between frames.

        Raises:
            LammpsError: LAMMPS ended with an error, or wrote something unexpected.
        """
        write_data(folder / "start.data", start, velocities, self.atom_style)
        script = self._input(folder, model is not None, start.symbols, params)
        variables = variables_of(params, n_steps, every)
        if model is not None:
            path, header = model
            wide = self.ghosts and header.n_hops > 1
            variables |= {
                "model": path.absolute(), "ghosts": int(wide), "reach": f"{header.reach:.10g}"
            }  # fmt: skip
        run_lammps(
            self.lammps, script, folder, self.ranks, variables | {"here": script.parent},
            timeout=self.timeout, environment={VARIABLE: repr(params.temperature)},
        )  # fmt: skip
        return _results(folder, range(every, n_steps + 1, every), n_steps, start.species)

    def _input(
        self, folder: Path, corrected: bool, symbols: Sequence[str], params: NptParameters
    ) -> Path:
        if self.input_file is not None:
            return self.input_file
        text = generated_input(self.commands, symbols, params.mode, corrected=corrected)
        (folder / "in.run").write_text(text)
        return Path("in.run")


def is_physical(before: float, after: float) -> bool:
    """Whether a volume after a run may have come from the one before it, in the same unit."""
    return before / LARGEST_RATIO <= after <= before * LARGEST_RATIO


def _results(folder: Path, steps: range, last: int, species: torch.Tensor) -> Dynamics:
    thermo = read_thermo(folder / "log.lammps")
    frames = read_frames(folder / "frames.dump", steps, species)
    for frame in frames:
        if frame.step not in thermo:
            raise LammpsError(
                f"expected a line of thermodynamics at step {frame.step}, found none; look at the"
                f" log in {folder}"
            )
    (end,) = read_frames(folder / "last.dump", [last], species)
    if end.velocities is None:
        raise LammpsError(
            f"expected columns vx vy vz in {folder / 'last.dump'}, found none; dump them"
        )
    return Dynamics(frames, thermo, end)
