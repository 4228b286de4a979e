"""Targets from files."""

from collections.abc import Mapping
from pathlib import Path

from ocvf_lmp.errors import DataError
from ocvf_lmp.fit.gr_file import read_gr
from ocvf_lmp.fit.targets import PdfTarget


def load_pdf_target(
    path: str | Path,
    *,
    temperature: float | None = None,
    pressure: float | None = None,
    radiation: str | None = None,
    composition: Mapping[str, int | float] | str | None = None,
    r_range: tuple[float, float] = (1.5, 10.0),
    q_max: float | None = None,
    q_damp: float | None = None,
    q_broad: float | None = None,
    free_scale: bool | None = None,
    free_q_damp: bool | None = None,
    metric: str | None = None,
    density: float | None = None,
    shift_negative: bool = False,
    stretch: float = 1.0,
    weight: float = 1.0,
) -> PdfTarget:
    """A target from a ``.gr`` file; arguments that are None come from its header.

    Args:
        path: of the file.
        temperature: K; required where the header has none.
        pressure: bar; 1.01325 where the header has none.
        radiation: "neutron" or "xray".
        composition: of the simulated sample, checked against the header.
        r_range: first and last distance to compare, Å.
        q_max: Å^-1.
        q_damp: Å^-1.
        q_broad: Å^-1.
        free_scale: by default free for measured data, fixed at 1 for synthetic ones.
        free_q_damp: by default free where nothing is known of Q_damp and the data are measured.
        metric: by default "chi2" where there are errors, else "r_w".
        density: atoms per Å^3.
        shift_negative: see `PdfTarget`.
        stretch: factor on all distances of the data; what else is given here counts afterwards.
        weight: factor on the loss.

    Raises:
        DataError: see `read_gr`; also if the data do not cover `r_range`, or the temperature, the
            radiation or Q_max is stated nowhere.
    """
    data = read_gr(path, composition).stretched(stretch)
    temperature = temperature if temperature is not None else data.temperature
    radiation = radiation or data.radiation
    q_max = q_max if q_max is not None else data.q_max
    if temperature is None:
        raise _not_stated("temperature", path)
    if radiation is None:
        raise _not_stated("radiation", path)
    if q_max is None and not (data.synthetic and radiation == "neutron"):
        raise _not_stated("q_max", path)
    chosen = (data.r >= r_range[0] - 1e-9) & (data.r <= r_range[1] + 1e-9) & (data.r > 0)
    step = float(data.r[1] - data.r[0])
    if float(data.r[-1]) < r_range[1] - step or float(data.r[0]) > r_range[0] + step:
        raise DataError(
            f"expected data from {r_range[0]} to {r_range[1]} Å in {path}, found"
            f" {float(data.r[0]):.2f} to {float(data.r[-1]):.2f} Å; narrow r_range"
        )
    known_damping = q_damp if q_damp is not None else data.q_damp
    measured = not data.synthetic
    return PdfTarget(
        temperature=temperature,
        pressure=pressure if pressure is not None else (data.pressure or 1.01325),
        r=data.r[chosen],
        g=data.g[chosen],
        radiation=radiation,
        q_max=q_max,
        error=None if data.error is None else data.error[chosen],
        q_damp=known_damping or 0.0,
        q_broad=q_broad if q_broad is not None else (data.q_broad or 0.0),
        free_scale=measured if free_scale is None else free_scale,
        free_q_damp=measured and known_damping is None if free_q_damp is None else free_q_damp,
        metric=metric or ("r_w" if data.error is None else "chi2"),
        density=density if density is not None else data.density,
        shift_negative=shift_negative,
        weight=weight,
        synthetic=data.synthetic,
        source=data.source,
    )


def _not_stated(name: str, path: str | Path) -> DataError:
    return DataError(
        f"expected the {name} of {path} in its header or in the configuration, found it in neither;"
        f" add `{name}` to the target"
    )
