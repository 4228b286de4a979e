"""Finds what trainings have left."""

from pathlib import Path

from ocvf_lmp.errors import InputError

RUNS = Path("runs")
"""Where run folders lie unless the command line says otherwise."""


def newest_run(root: Path = RUNS) -> Path:
    """The run folder under `root` that was written to last.

    Raises:
        InputError: there is none.
    """
    runs = [p.parent for p in root.glob("*/config.yaml")]
    if not runs:
        raise InputError(
            f"expected a training run under {root}, found none; run `ocvf-lmp train` first, or name"
            " the folder with --run"
        )
    return max(runs, key=lambda p: max(f.stat().st_mtime for f in p.iterdir()))


def trained_potential(run: Path, temperature: float | None) -> tuple[Path, float | None]:
    """The file of the potential that a run made.

    Args:
        run: run folder.
        temperature: K; chooses where there are several and no gate between them: by default the
            one nearest to 300 K.

    Returns:
        The file, and the temperature that its correction belongs to (None: to all).

    Raises:
        InputError: the training is not finished, or has no such temperature.
    """
    whole = run / "potential.pt"
    if whole.is_file():
        return whole, None
    several = {
        float(p.stem.removeprefix("potential_").split("K")[0]): p
        for p in run.glob("potential_*K*.pt")
    }
    if not several:
        raise InputError(
            f"expected a finished training in {run}, found no potential there; run `ocvf-lmp train`"
            " to its end (it resumes)"
        )
    if temperature is None:
        temperature = min(several, key=lambda t: abs(t - 300.0))
    if temperature not in several:
        known = ", ".join(f"{t:g}" for t in sorted(several))
        raise InputError(
            f"expected one of the trained temperatures ({known} K), found {temperature:g} K;"
            " choose one of them"
        )
    return several[temperature], temperature
