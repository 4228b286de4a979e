"""Turn the frames of `in.shell_model` into the shipped SYNTHETIC experiment.

    python data/world/measure.py FOLDER            # FOLDER: what in.shell_model wrote

For every temperature it writes beside itself

- ``partials_TK.npz``: time-averaged partials g_ab(r) with standard errors, mean cell, density;
- ``BaTiO3_SYNTHETIC_{neutron,xray}_TK.gr``: G(r) with Q_max, Q_damp, noise and error bars;
- its entry of ``world.yaml``: cell, polarization, Ti off-centring, phase.

With ``--only-gr`` the .gr files are made again from the partials alone (their block errors are
taken from the old files). Nothing here is measured: the noise and the error bars are invented,
with a fixed seed, and the model is classical (no zero-point motion).
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import world_curves as wc
import world_frames as wf
import yaml

HERE = wc.HERE
BLOCKS = 8
REPEAT = 6
TRANSITIONS = ((183.0, "R"), (278.0, "O"), (403.0, "T"))
"""Where the phases of real BaTiO3 end on heating, K (data/bto/experiment.yaml)."""


def average_partials(frames: wf.Frames) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean partials and standard errors, (6, bins) each, and block means, (blocks, 6, bins).

    Frames are averaged as pair densities, <rho g>/<rho>, as a diffraction experiment does.
    """
    densities = frames.densities
    blocks = []
    for part in np.array_split(np.arange(len(densities)), BLOCKS):
        total = sum(
            densities[k]
            * wf.frame_partials(
                frames.positions[k], frames.cells[k], frames.species, wc.R_MAX, wc.DR
            )
            for k in part
        )
        blocks.append(np.asarray(total) / densities.mean() / len(part))
    table = np.array(blocks)
    sizes = np.array([len(p) for p in np.array_split(densities, BLOCKS)])
    mean = np.tensordot(sizes / sizes.sum(), table, axes=1)
    return mean, table.std(axis=0, ddof=1) / np.sqrt(BLOCKS), table


def read_thermo(path: Path) -> dict[str, np.ndarray]:
    """Columns of the last thermo table of a LAMMPS log."""
    lines = path.read_text().splitlines()
    start = max(k for k, line in enumerate(lines) if line.split()[:1] == ["Step"])
    names = lines[start].split()
    rows = []
    for line in lines[start + 1 :]:
        if line.startswith("Loop time"):
            break
        rows.append([float(word) for word in line.split()])
    return dict(zip(names, np.array(rows).T, strict=True))


def phase(polarization: np.ndarray) -> str:
    """R, O, T or C by the number of axes along which the mean polarization (C/m²) points.

    An axis counts if it holds more than half of the largest component; below 0.06 C/m² in all,
    nothing does.
    """
    size = np.abs(polarization)
    if np.linalg.norm(size) < 0.06:
        return "C"
    return {1: "T", 2: "O", 3: "R"}[int((size > 0.5 * size.max()).sum())]


def phase_of_cell(parameters: np.ndarray) -> str:
    """R, O, T or C by the mean lattice parameters alone, sorted by length.

    Shear (an angle more than 0.08° from 90°) along three axes means R, along one O; without shear
    a longest edge more than 0.4 % above the mean of the others means T.
    """
    lengths = np.sort(parameters[:3])
    sheared = int((np.abs(parameters[3:] - 90.0) > 0.08).sum())
    if sheared:
        return "R" if sheared == 3 else "O"
    return "T" if lengths[2] > 1.004 * lengths[:2].mean() else "C"


def summary(temperature: int, frames: wf.Frames, thermo: dict[str, np.ndarray]) -> dict:
    """Entry of ``world.yaml``: means with standard errors by blocks."""
    names = ("v_a", "v_b", "v_c", "CellAlpha", "CellBeta", "CellGamma")
    cell = np.array([thermo[n] for n in names]).T
    vector = np.array([thermo[f"v_p{x}"] for x in "xyz"]).T
    off = wf.off_centring(frames, REPEAT)
    mean_p = vector.mean(axis=0)

    def pair(values: np.ndarray, digits: int) -> dict[str, object]:
        return {
            "value": np.round(values.mean(axis=0), digits).tolist(),
            "error": np.round(wf.block_errors(values, BLOCKS), digits).tolist(),
        }

    return {
        "phase_by_polarization": phase(mean_p),
        "phase_by_cell": phase_of_cell(cell.mean(axis=0)),
        "phase_of_experiment": next((p for t, p in TRANSITIONS if temperature < t), "C"),
        "temperature_K": pair(thermo["Temp"], 2),
        "core_shell_temperature_K": pair(thermo["v_inner"], 2),
        "lengths_A": pair(cell[:, :3], 4),
        "angles_deg": pair(cell[:, 3:], 3),
        "lengths_sorted_A": np.round(np.sort(cell[:, :3].mean(axis=0)), 4).tolist(),
        "volume_per_cell_A3": pair(thermo["Volume"] / REPEAT**3, 3),
        "polarization_C_m2": pair(vector, 4),
        "polarization_std_C_m2": np.round(vector.std(axis=0), 4).tolist(),
        "polarization_size_C_m2": round(float(np.linalg.norm(mean_p)), 4),
        "ti_off_centring_A": pair(off, 4),
        "frames": len(frames.cells),
        "measured_ps": round(float(np.ptp(thermo["Time"])), 2),
    }


def measure(folder: Path, temperature: int) -> dict:
    """Partials, curves and summary of one temperature."""
    frames = wf.read_dump(folder / f"cores_{temperature}K.dump.gz")
    thermo = read_thermo(folder / f"thermo_{temperature}K.log")
    mean, error, blocks = average_partials(frames)
    density = float(frames.densities.mean())
    cell = wf.lattice(frames.cells, REPEAT)
    np.savez_compressed(
        HERE / f"partials_{temperature}K.npz",
        what=np.array("SYNTHETIC (not measured): partials g_ab(r) of core-shell model A"),
        r=np.arange(1, mean.shape[1] + 1) * wc.DR,
        pairs=np.array([f"{wf.SYMBOLS[a]}-{wf.SYMBOLS[b]}" for a, b in wf.PAIRS]),
        g=mean.astype(np.float32),
        g_error=error.astype(np.float16),
        density=density,
        density_error=float(wf.block_errors(frames.densities, BLOCKS)),
        lattice=cell.mean(axis=0),
        lattice_error=wf.block_errors(cell, BLOCKS),
        temperature=float(temperature),
        pressure=wc.PRESSURE,
        frames=len(frames.cells),
        blocks=BLOCKS,
    )
    statistical = []
    for instrument in wc.INSTRUMENTS:
        model = instrument.model()
        curves = np.array([wc.noise_free(model, block, density) for block in blocks])
        statistical.append(curves.std(axis=0, ddof=1) / np.sqrt(BLOCKS))
    wc.write_curves(temperature, mean.astype(np.float32), density, statistical)
    return summary(temperature, frames, thermo)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", help="where in.shell_model wrote")
    parser.add_argument("--temperatures", type=int, nargs="+", help="K; default: all there are")
    parser.add_argument("--only-gr", action="store_true", help="from the stored partials alone")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.folder is None and not arguments.only_gr:
        parser.error("expected the folder that in.shell_model wrote to, found none; name it")
    folder: Path = arguments.folder or HERE
    there = HERE.glob("partials_*K.npz") if arguments.only_gr else folder.glob("cores_*")
    found = sorted(int(path.name.split("_")[1].split("K")[0]) for path in there)
    temperatures = arguments.temperatures or found
    if arguments.only_gr:
        for temperature in temperatures:
            wc.again(temperature)
        return
    path = HERE / "world.yaml"
    world = yaml.safe_load(path.read_text()) if path.is_file() else {}
    for temperature in temperatures:
        world[temperature] = measure(folder, temperature)
        print(temperature, world[temperature]["phase_by_polarization"], flush=True)
        head = (
            "# SYNTHETIC (not measured): means over the runs of in.shell_model, with standard\n"
            f"# errors from {BLOCKS} blocks; keys are temperatures in K. Written by measure.py.\n"
        )
        text = yaml.safe_dump(dict(sorted(world.items())), sort_keys=False, default_flow_style=None)
        path.write_text(head + text)


if __name__ == "__main__":
    main()
