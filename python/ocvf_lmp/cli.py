"""The command line, ``ocvf-lmp COMMAND``."""

import argparse
import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ocvf_lmp import __version__
from ocvf_lmp.build.runs import RUNS
from ocvf_lmp.errors import OcvfError
from ocvf_lmp.mpi import abort, is_first_rank, n_ranks, running_mpi

DEFAULT_CONFIG = Path("inputs/bto.yaml")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; 0 if it succeeded, 1 on an error, 2 on wrong usage, 130 if interrupted."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="note: %(message)s", level=logging.WARNING)
    try:
        with _termination_as_interrupt():
            return options.run(options) or 0
    except OcvfError as reason:
        if is_first_rank():
            print(f"ocvf-lmp {options.command}: error: {reason}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        message = (
            f"\nocvf-lmp {options.command}: interrupted; the same command resumes from the last"
            " checkpoint"
        )
        if running_mpi() is not None and n_ranks() > 1:
            abort(message)  # a rank that waits for this one in MPI does not hear of an interrupt
        print(message, file=sys.stderr)
        return 130


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """A batch system that ends a job asks first (SIGTERM): what was started is then ended, too."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ocvf-lmp",
        description="Corrects an interatomic potential with experiments and runs it in LAMMPS.",
    )
    parser.add_argument("--version", action="version", version=f"ocvf-lmp {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_pretrain(commands)
    _add_train(commands)
    _add_export(commands)
    _add_gate(commands)
    _add_sweep(commands)
    _add_analyze(commands)
    _add_inspection(commands)
    return parser


def _add_pretrain(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    p = commands.add_parser("pretrain", help="train the prior H_o on energies, forces, stresses")
    p.add_argument("--data", nargs="+", type=Path, required=True, help="extxyz files, one a source")
    p.add_argument("--out", type=Path, default=RUNS / "prior", help="run folder")
    p.add_argument("--symbols", nargs="+", help="species order (default: as first met in the data)")
    p.add_argument("--epochs", type=int, default=300)
    p.add_argument("--batch", type=int, default=4, help="frames a step")
    p.add_argument("--learning-rate", type=float, default=5.0e-3)
    p.add_argument("--cutoff", type=float, default=5.0, help="Å")
    p.add_argument("--features", type=int, default=32)
    p.add_argument("--precision", choices=("float32", "float64"), default="float32")
    p.add_argument("--seed", type=int, default=1)
    p.set_defaults(run=_pretrain)


def _add_train(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    p = commands.add_parser("train", help="train the correction on experiments")
    p.add_argument("config", nargs="?", type=Path, default=DEFAULT_CONFIG, help="YAML file")
    p.add_argument("--quick", action="store_true", help="the configuration's quick variant")
    p.add_argument("--run", type=Path, dest="folder", help="run folder (default: runs/NAME)")
    p.add_argument("--epochs", type=int, help="instead of the configuration's")
    p.add_argument("--prior", type=Path, help="file of H_o instead of the configuration's")
    p.add_argument("--start", type=Path, help="potential.pt of a run to take corrections over from")
    p.add_argument("--fresh", action="store_true", help="delete the run folder first")
    p.set_defaults(run=_train)


def _add_export(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    p = commands.add_parser("export", help="write the model file for LAMMPS")
    p.add_argument("model", type=Path, help="file to write, for instance model.pt")
    p.add_argument("--run", type=Path, dest="folder", help="run folder (default: the newest)")
    p.add_argument("--potential", type=Path, help="a potential's file instead of a run folder")
    p.add_argument("--temperature", type=float, help="K, where the run has several corrections")
    p.add_argument("--delta-only", action="store_true", help="only the correction, for overlays")
    p.add_argument("--precision", choices=("float64", "float32"), default="float64")
    p.set_defaults(run=_export)


def _add_gate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    p = commands.add_parser("gate", help="put corrections that were trained apart behind one gate")
    p.add_argument("potential", type=Path, help="file to write, for instance potential.pt")
    p.add_argument(
        "--expert", nargs="+", action="append", dest="experts", required=True,
        metavar=("FILE", "KELVIN"),
        help="potential.pt of a run, and the temperatures at which its correction acts; once a run",
    )  # fmt: skip
    p.add_argument("--width", type=float, default=30.0, help="of the gate (eq. 15), K")
    p.set_defaults(run=_gate)


def _add_sweep(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    p = commands.add_parser(
        "sweep", help="heat and cool a model in LAMMPS, temperature by temperature"
    )
    p.add_argument("model", nargs="?", type=Path, help="model file; with --lammps alone: none")
    p.add_argument("--lammps", help="pair_style and pair_coeff lines, or a LAMMPS input, as prior")
    p.add_argument("--symbols", nargs="+", help="of the atom types, where there is no model")
    p.add_argument(
        "--temperatures", nargs="+", help="K: 100 150 200, or 50:500:25 (the end is included)"
    )
    p.add_argument("--branches", nargs="+", help="heating (from the polar cell), cooling")
    p.add_argument("--repeat", nargs=3, type=int, help="unit cells along a, b, c (4 4 4)")
    p.add_argument("--lattice", nargs=3, type=float, help="of the unit cell at the start, Å")
    p.add_argument("--off-centering", nargs=3, type=float, help="of B where heating starts, Å")
    p.add_argument("--structure", type=Path, help="a supercell to start from, a file of ASE")
    for name, what in (
        ("equilibration", "steps at each temperature before what counts"),
        ("steps", "steps that count"),
        ("every", "steps between frames"),
        ("seed", "of the velocities"),
    ):
        p.add_argument(f"--{name}", type=int, help=what)
    for name, what in (
        ("timestep", "ps"), ("t-damp", "ps"), ("p-damp", "ps"), ("pressure", "bar"),
    ):  # fmt: skip
        p.add_argument(f"--{name}", type=float, help=what)
    p.add_argument(
        "--independent", action="store_true", help="every temperature from its branch's start"
    )
    p.add_argument("--name", help="of the sweep (default: the model's)")
    p.add_argument("--folder", type=Path, help="default: sweeps/NAME; one that is there goes on")
    p.add_argument("--workers", type=int, default=1, help="series that run side by side")
    p.add_argument("--ranks", type=int, default=1, help="MPI ranks of each LAMMPS")
    p.add_argument("--part", help="K/N: the K-th of N shares of the series, for job arrays")
    p.add_argument("--lmp", type=Path, help="LAMMPS executable (default: beside this Python)")
    p.add_argument(
        "--lammps-arguments", nargs=argparse.REMAINDER, default=[], help="e.g. -k on g 1 -sf kk"
    )
    p.set_defaults(run=_sweep)


def _add_analyze(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    p = commands.add_parser(
        "analyze", help="phases, transitions, polarization, cells, free energies of sweeps"
    )
    p.add_argument(
        "sweep", type=Path, nargs="+", help="sweep.h5 of ocvf-lmp sweep, or analysis.json of one"
    )
    p.add_argument(
        "--reference", type=Path,
        help="to judge by: sweep.h5 or analysis.json of the truth, or facts as in experiment.yaml;"
        " name the prior's sweep last",
    )  # fmt: skip
    p.add_argument(
        "--literature", type=Path,
        help="published models to stand beside (default: literature.yaml beside --reference)",
    )  # fmt: skip
    p.add_argument("--charges", default="cubic_wu_cohen", help="set of Born charges")
    p.add_argument("--charges-file", type=Path, help="default: data/bto/born_charges.yaml")
    p.add_argument("--window", type=float, default=2.0, help="shortest window of a phase, ps")
    p.add_argument("--min-frames", type=int, default=10, help="sound frames a temperature needs")
    p.add_argument("--bootstrap", type=int, default=500, help="samples of the bootstrap")
    p.add_argument("--seed", type=int, default=1, help="of the bootstrap")
    p.add_argument("--out", type=Path, help="folder (default: that of each sweep)")
    p.add_argument(
        "--pdfs", action="store_true",
        help="keep G(r) beside analysis.json: later comparisons then need no sweep.h5",
    )  # fmt: skip
    p.add_argument(
        "--no-figures", dest="figures", action="store_false", help="tables and analysis.json only"
    )
    p.set_defaults(run=_analyze)


def _add_inspection(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    p = commands.add_parser("info", help="describe a file or a run folder")
    p.add_argument("path", type=Path, nargs="+")
    p.set_defaults(run=_info)
    p = commands.add_parser("check", help="compare LAMMPS with Python for a model file")
    p.add_argument("model", type=Path)
    p.add_argument("--lmp", type=Path, help="LAMMPS executable (default: beside this Python)")
    p.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    p.add_argument(
        "--lammps-arguments", nargs=argparse.REMAINDER, default=[], help="e.g. -k on t 1 -sf kk"
    )
    p.set_defaults(run=_check)
    p = commands.add_parser("report", help="figures and one HTML page of a training or a potential")
    p.add_argument(
        "source", type=Path, nargs="?",
        help="run folder (default: the newest), a potential's file, or a folder with corrected.pt",
    )  # fmt: skip
    p.add_argument("--log", type=Path, help="LAMMPS log of a production run to show as well")
    p.add_argument("--analysis", type=Path, help="page of ocvf-lmp analyze to lead to")
    p.add_argument(
        "--out", type=Path, help="HTML file (default: RUN/report.html, POTENTIAL_report.html)"
    )
    p.add_argument("--figures", type=Path, help="folder for all figures as PNG, SVG and PDF")
    p.add_argument(
        "--displacement",
        default="B",
        help="in the energy surfaces: B (alone; the default), soft-mode (of the prior), or four"
        " numbers for A,B,O∥,O⊥",
    )
    p.add_argument(
        "--lattice", type=float,
        help="edge of the cubic cell of a potential, Å (default: that of its training)",
    )  # fmt: skip
    p.set_defaults(run=_report)


def _pretrain(options: argparse.Namespace) -> int:
    from ocvf_lmp.commands.pretrain import pretrain  # noqa: PLC0415 (torch is slow to import)

    return pretrain(options)


def _train(options: argparse.Namespace) -> int:
    from ocvf_lmp.commands.train import train  # noqa: PLC0415 (torch is slow to import)

    return train(options)


def _export(options: argparse.Namespace) -> int:
    from ocvf_lmp.commands.export import export  # noqa: PLC0415 (torch is slow to import)

    return export(options)


def _gate(options: argparse.Namespace) -> int:
    from ocvf_lmp.commands.gate import gate  # noqa: PLC0415 (torch is slow to import)

    return gate(options)


def _sweep(options: argparse.Namespace) -> int:
    from ocvf_lmp.commands.sweep import sweep  # noqa: PLC0415 (torch is slow to import)

    return sweep(options)


def _info(options: argparse.Namespace) -> int:
    from ocvf_lmp.commands.info import info  # noqa: PLC0415 (torch is slow to import)

    return info(options)


def _check(options: argparse.Namespace) -> int:
    from ocvf_lmp.commands.check import check  # noqa: PLC0415 (torch is slow to import)

    return check(options)


def _analyze(options: argparse.Namespace) -> int:
    from ocvf_lmp.commands.analyze import analyze  # noqa: PLC0415 (slow to import)

    return analyze(options)


def _report(options: argparse.Namespace) -> int:
    from ocvf_lmp.commands.report import report  # noqa: PLC0415 (torch is slow to import)

    return report(options)
