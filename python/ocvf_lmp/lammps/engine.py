"""LAMMPS as the engine that samples for training: any size, any number of ranks, its own fix npt.

Every run is a process of its own, with the model as it is now: written as a model file, loaded by
``pair_style mliap unified``, as in production. The prior may also be a pair style of LAMMPS; then
the model file holds the correction alone, laid over it by ``pair_style hybrid/overlay``.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from ocvf_lmp.arrays import Species
from ocvf_lmp.errors import InputError, LammpsError, SimulationError
from ocvf_lmp.lammps.cells import write_data
from ocvf_lmp.lammps.frames import read_frames, read_thermo
from ocvf_lmp.lammps.gate import VARIABLE
from ocvf_lmp.lammps.model_file import export_model
from ocvf_lmp.lammps.model_header import ModelHeader
from ocvf_lmp.lammps.parity import SKIN, needs_ghosts
from ocvf_lmp.lammps.run import Lammps, run_lammps
from ocvf_lmp.md.engine import Frame, OnFrame
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.state import NptState
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.experts import experts_of
from ocvf_lmp.potential.protocol import Potential
from ocvf_lmp.system.cell import lower_triangular, volume
from ocvf_lmp.system.structure import Structure

BAROSTATS = {"flexible": "tri", "orthogonal": "aniso", "isotropic": "iso"}
LARGEST_RATIO = 1.5
"""Factor by which the volume may grow or shrink in a run."""

_INPUT = """\
units metal
atom_style atomic
boundary p p p
box tilt large
read_data start.data
{interactions}
neighbor {skin} bin
neigh_modify every 1 delay 0 check yes
{comm_modify}
timestep {timestep!r}
fix motion all {ensemble}
thermo {every}
thermo_style custom step temp pe pxx pyy pzz pxy pxz pyz
thermo_modify format float %.15g
dump frames all custom {every} frames.dump id type xu yu zu
dump_modify frames sort id format float %.15g
run {n_steps}
write_dump all custom last.dump id type xu yu zu vx vy vz modify sort id format float %.17g
"""


class LammpsEngine:
    """See `md.engine.Engine`.

    Args:
        lammps: how to start it.
        ranks: MPI ranks of each run.
        precision: in which LAMMPS evaluates the model.
        prior: the LAMMPS commands ``pair_style`` and ``pair_coeff`` of a prior that is one of
            LAMMPS' own; empty: the prior is in the model.
        timeout: for each run, s.
    """

    def __init__(
        self,
        lammps: Lammps,
        ranks: int = 1,
        precision: str = "float64",
        prior: Sequence[str] = (),
        timeout: float | None = None,
    ) -> None:
        self.lammps, self.ranks, self.precision = lammps, ranks, precision
        self.prior, self.timeout = tuple(prior), timeout
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
        with tempfile.TemporaryDirectory(prefix="ocvf-run-") as name:
            folder = Path(name)
            header = self._export(folder / "model.pt", potential)
            write_data(folder / "start.data", start, velocities)
            (folder / "in.run").write_text(self._script(header, params, n_steps, every))
            run_lammps(
                self.lammps, Path("in.run"), folder, self.ranks, timeout=self.timeout,
                environment=environment,
            )  # fmt: skip
            wanted = range(every, n_steps + 1, every)
            self._tell(folder, wanted, on_frame)
            (end,) = read_frames(folder / "last.dump", 1)
        _check_volume(float(volume(end.cell)), float(volume(cell)), params)
        assert end.velocities is not None
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
        delta_only = bool(self.prior)
        if delta_only and not isinstance(potential, Corrected):
            raise InputError(
                "expected a corrected potential where the prior is a pair style of LAMMPS, found"
                f" {type(potential).__name__}; build it with a correction"
            )
        return export_model(path, potential, delta_only=delta_only, precision=self.precision)

    def _script(self, header: ModelHeader, params: NptParameters, n_steps: int, every: int) -> str:
        wide = self.ghosts and header.n_hops > 1
        thermostat = f"temp {params.temperature!r} {params.temperature!r} {params.t_damp!r}"
        ensemble = f"nvt {thermostat}"
        if params.mode != "fixed":
            pressure = f"{params.pressure!r} {params.pressure!r} {params.p_damp!r}"
            flip = " flip no" if params.mode == "flexible" else ""
            ensemble = f"npt {thermostat} {BAROSTATS[params.mode]} {pressure}{flip}"
        model = f"mliap unified model.pt {int(wide)}"
        return _INPUT.format(
            interactions=overlay(self.prior, model, header.symbols),
            skin=SKIN,
            comm_modify=f"comm_modify cutoff {header.reach + SKIN:.10g}" if wide else "",
            timestep=params.timestep,
            ensemble=ensemble,
            every=every,
            n_steps=n_steps,
        )

    def _tell(self, folder: Path, wanted: range, on_frame: OnFrame) -> None:
        thermo = read_thermo(folder / "log.lammps")
        frames = read_frames(folder / "frames.dump", len(wanted) + 1)[1:]
        for step, frame in zip(wanted, frames, strict=True):
            if step not in thermo:
                raise LammpsError(
                    f"expected a line of thermodynamics at step {step}, found none; look at the log"
                )
            temperature, energy, *p = thermo[step]
            pressure = torch.tensor(
                [[p[0], p[3], p[4]], [p[3], p[1], p[5]], [p[4], p[5], p[2]]], dtype=torch.float64
            )
            on_frame(Frame(step, frame.positions, frame.cell, temperature, pressure, energy))


def overlay(prior: Sequence[str], model: str, symbols: Sequence[str]) -> str:
    """LAMMPS commands for a model, laid over the pair style of a prior if there is one.

    Args:
        prior: ``pair_style`` and ``pair_coeff`` commands; others are kept as they are.
        model: style and arguments of the model.
        symbols: of the atom types, in their order.

    Raises:
        InputError: not exactly one ``pair_style``.
    """
    style, *_ = model.split()
    own = f"pair_coeff * * {style} {' '.join(symbols)}"
    if not prior:
        return f"pair_style {model}\npair_coeff * * {' '.join(symbols)}"
    styles = [line.split() for line in prior if line.split()[:1] == ["pair_style"]]
    if len(styles) != 1 or len(styles[0]) < 2:
        raise InputError(
            f"expected one command pair_style for the prior in LAMMPS, found {len(styles)}; several"
            " styles go into one pair_style hybrid/overlay"
        )
    words = styles[0][1:]
    hybrid = words[0].startswith("hybrid")
    lines = []
    for line in prior:
        first, *rest = line.split() or [""]
        if first == "pair_style":
            lines.append(f"pair_style hybrid/overlay {' '.join(words[hybrid:])} {model}")
        elif first == "pair_coeff" and not hybrid:
            lines.append(f"pair_coeff {' '.join(rest[:2])} {words[0]} {' '.join(rest[2:])}")
        else:
            lines.append(line)
    return "\n".join([*lines, own])


def _check_volume(size: float, before: float, params: NptParameters) -> None:
    if not before / LARGEST_RATIO <= size <= before * LARGEST_RATIO:
        raise SimulationError(
            f"expected the simulation at {params.temperature:g} K to stay on physical ground, found"
            f" a volume of {size:.4g} Å³ after {before:.4g} Å³ at the start of the run in LAMMPS;"
            " lower training.learning_rate, or check the prior at this temperature"
        )
