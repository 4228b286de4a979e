"""SYNTHETIC world: what an imagined diffractometer makes of partials, and the .gr files of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import world_frames as wf

from ocvf_lmp.fit.gr_file import GrFile, read_gr, write_gr
from ocvf_lmp.observables.pdf import PdfModel, pdf_model
from ocvf_lmp.observables.rdf import PartialGrid

HERE = Path(__file__).parent
R_MAX, DR = 22.0, 0.01
PRESSURE = 1.0
FRACTIONS = (0.2, 0.2, 0.6)
COMMENT = "SYNTHETIC (not measured): computed from a classical simulation"


@dataclass(frozen=True, slots=True)
class Instrument:
    """What the imagined diffractometer does.

    Attributes:
        radiation: "neutron" or "xray".
        q_max: Å^-1.
        q_damp: Å^-1.
        noise: rms of the added noise as a fraction of the rms of G(r) on 1.5 to 20 Å.
        seed: of the noise, to which the temperature in K is added.
    """

    radiation: str
    q_max: float
    q_damp: float = 0.018
    noise: float = 0.01
    seed: int = 0

    def model(self) -> PdfModel:
        """The package's forward model on the grid of the partials, r = 0.02 to 20 Å.

        The histogram is not smeared, so nothing is to be divided out (`keep_smearing`).
        """
        r = 0.02 * torch.arange(1, 1001, dtype=torch.float64)
        grid = PartialGrid(3, R_MAX, DR, DR)
        return pdf_model(
            grid,
            wf.SYMBOLS,
            FRACTIONS,
            self.radiation,
            r,
            self.q_max,
            q_damp=self.q_damp,
            keep_smearing=True,
        )


INSTRUMENTS = (
    Instrument("neutron", q_max=35.0, seed=1000),
    Instrument("xray", q_max=25.0, seed=2000),
)


def noise_free(model: PdfModel, partials: np.ndarray, density: float) -> np.ndarray:
    """G(r) of partials (pairs, bins) as the instrument sees it, without noise, Å^-2."""
    return model(torch.from_numpy(partials.astype(np.float64)), density).numpy()


def noise_curve(instrument: Instrument, temperature: int, r: np.ndarray, rms: float) -> np.ndarray:
    """Noise as counting statistics make it, Å^-2.

    White noise on S(Q), hence growing as Q on F(Q), between 0 and Q_max, sine-transformed to r and
    scaled to the wanted rms: neighbouring points are correlated over π/Q_max, and r = 0 has none.
    """
    generator = np.random.default_rng(instrument.seed + temperature)
    dq = 0.02
    q = np.arange(dq, instrument.q_max, dq)
    curve = np.sin(np.outer(r, q)) @ (q * generator.standard_normal(len(q)))
    inside = (r > 1.5) & (r <= 20.0)
    return curve * rms / np.sqrt(np.mean(curve[inside] ** 2))


def noise_rms(instrument: Instrument, r: np.ndarray, g: np.ndarray) -> float:
    """Size (rms) of the noise that is added to a curve, Å^-2."""
    inside = (r > 1.5) & (r <= 20.0)
    return instrument.noise * float(np.sqrt(np.mean(g[inside] ** 2)))


def write_curves(
    temperature: int, mean: np.ndarray, density: float, statistical: Sequence[np.ndarray]
) -> None:
    """Write the .gr files of one temperature."""
    for instrument, error in zip(INSTRUMENTS, statistical, strict=True):
        model = instrument.model()
        r = model.r.numpy()
        g = noise_free(model, mean, density)
        rms = noise_rms(instrument, r, g)
        noisy = g + noise_curve(instrument, temperature, r, rms)
        data = GrFile(
            torch.from_numpy(r),
            torch.from_numpy(noisy),
            torch.from_numpy(np.hypot(error, rms)),
            radiation=instrument.radiation,
            composition=dict(zip(wf.SYMBOLS, (1.0, 1.0, 3.0), strict=True)),
            q_max=instrument.q_max,
            q_min=0.0,
            q_damp=instrument.q_damp,
            temperature=float(temperature),
            pressure=PRESSURE,
            density=density,
            synthetic=True,
            source=f"SYNTHETIC (not measured), ocvf-lmp data/world, {temperature} K",
            extra={
                "units": "r in angstrom, G and dG in angstrom^-2",
                "convention": "G(r) = 4 pi r rho0 (g(r) - 1), PDFFIT",
                "world": "core-shell model A of BaTiO3, classical NPT, LAMMPS, in.shell_model",
                "scattering": "b Ba 5.07 Ti -3.438 O 5.803 fm"
                if instrument.radiation == "neutron"
                else "f0(Q) of neutral atoms, Waasmaier-Kirfel",
                "noise": f"{instrument.noise:g} of the rms of G on 1.5 to 20 angstrom",
                "noise_rms": f"{rms:.6g}",
                "noise_seed": str(instrument.seed + temperature),
            },
        )
        name = f"BaTiO3_SYNTHETIC_{instrument.radiation}_{temperature}K.gr"
        write_gr(HERE / name, data, COMMENT)


def again(temperature: int) -> None:
    """The .gr files of one temperature from its partials, keeping the old block errors."""
    stored = np.load(HERE / f"partials_{temperature}K.npz")
    statistical = []
    for instrument in INSTRUMENTS:
        old = read_gr(HERE / f"BaTiO3_SYNTHETIC_{instrument.radiation}_{temperature}K.gr")
        if old.error is None:
            raise ValueError("expected error bars in the old .gr files, found none")
        rms = float(old.extra["noise_rms"])
        statistical.append(np.sqrt(np.maximum(old.error.numpy() ** 2 - rms**2, 0.0)))
    write_curves(temperature, stored["g"], float(stored["density"]), statistical)
