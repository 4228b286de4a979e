"""``ocvf-lmp analyze``: phases, transitions, polarization, cells and free energies of sweeps."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from ocvf_lmp.analysis.phases.analyse import Settings, analyse
from ocvf_lmp.analysis.phases.analysis_file import Analysis, read_analysis, write_analysis
from ocvf_lmp.analysis.phases.classify import Criteria
from ocvf_lmp.analysis.phases.curve_file import beside, read_curves, write_curves
from ocvf_lmp.analysis.phases.figures import comparison_figure, save_phase_figures
from ocvf_lmp.analysis.phases.literature import method_table, read_literature
from ocvf_lmp.analysis.phases.page import Judgement, write_page
from ocvf_lmp.analysis.phases.pair_distributions import Curves, Diffractometer, curves, misfits
from ocvf_lmp.analysis.phases.pdf_figure import pdf_figure
from ocvf_lmp.analysis.phases.references import Reference, of_experiment, of_sweep
from ocvf_lmp.analysis.phases.tables import TextTable, comparison_table, tables
from ocvf_lmp.analysis.phases.verdict import compare, verdict_table, write_verdict
from ocvf_lmp.analysis.style import save
from ocvf_lmp.commands.console import console, table
from ocvf_lmp.errors import InputError
from ocvf_lmp.files import write_text_atomically
from ocvf_lmp.observables.born_charges import BornCharges, read_born_charges

CHARGES = Path("data") / "bto" / "born_charges.yaml"
"""In the project; `cubic_wu_cohen` is the set that was read in its source."""

RESULTS = ".json"
"""Ending of the results of an analysis, which are taken where a sweep is."""

INSTRUMENT = Diffractometer()
"""That compares G(r) of sweeps."""


def analyze(options: argparse.Namespace) -> int:
    """Analyses sweeps and, if there are several, compares them."""
    charges = read_born_charges(options.charges_file or default_charges(), options.charges)
    settings = Settings(
        replace(Criteria(), window=options.window), options.min_frames, options.bootstrap,
        options.seed,
    )  # fmt: skip
    places = output_places(options.sweep, options.out)
    _keep_reference(options.reference, [results for results, _ in places])
    found, made = [], {}
    for path, (results, figures) in zip(options.sweep, places, strict=True):
        known = path.suffix == RESULTS
        one = read_analysis(path) if known else analyse(path, charges, settings)
        found.append(one)
        _show(one)
        if results != path:
            write_analysis(results, one)
            beside(results).unlink(missing_ok=True)  # of an earlier analysis, perhaps of fewer legs
            console.print(f"wrote {results}")
        if options.pdfs:
            made[path] = _keep_curves(path, results)
        if options.figures:
            save_phase_figures(one, figures)
            console.print(f"wrote figures to {figures}")
    folder = options.out or options.sweep[0].parent
    judgement = _judge(found, options, charges, settings, folder, made)
    if len(found) > 1:
        _compare(found, judgement.reference, folder, options.figures)
    for one in judgement.tables:
        _print(one)
    if options.figures:
        if judgement.pdfs is not None:
            save(judgement.pdfs, folder / "figures" / "pdfs")
        write_page(folder / "analysis.html", found, judgement)
        console.print(f"wrote {folder / 'analysis.html'}")
    return 0


def _keep_reference(reference: Path | None, results: Sequence[Path]) -> None:
    if reference is not None and reference.resolve() in [path.resolve() for path in results]:
        raise InputError(
            f"expected results that go elsewhere than the reference {reference}, which they would"
            " replace; name another folder by --out"
        )


def _judge(
    found: Sequence[Analysis],
    options: argparse.Namespace,
    charges: BornCharges,
    settings: Settings,
    folder: Path,
    made: Mapping[Path, Curves],
) -> Judgement:
    """The models against a sweep of the truth, its results, or an experiment and the literature."""
    given: Path | None = options.reference
    if given is None:
        return Judgement()
    misfit, pdfs = [], None
    if given.suffix in (".yaml", ".yml"):
        reference = of_experiment(given)
    else:
        known = given.suffix == RESULTS
        truth = read_analysis(given) if known else analyse(given, charges, settings)
        reference = of_sweep(truth)
        legs = {(leg.branch, leg.temperature) for model in found for leg in model.legs}
        true = _curves(given, legs & reference.volumes.keys())
        mine = [made.get(path) or _curves(path, set(true)) for path in options.sweep]
        misfit = [misfits(each, true) for each in mine]
        if options.figures:
            pdfs = pdf_figure([m.name for m in found], INSTRUMENT, mine, true, misfit)
    rows = compare(found, reference, misfit)
    tables = [verdict_table(found, reference, rows)]
    near = given.with_name("literature.yaml")
    literature = options.literature or (near if near.is_file() else None)
    if literature is not None:
        tables.append(method_table(found, reference, read_literature(literature)))
    path = folder / "verdict.json"
    write_verdict(path, found, reference, rows)
    console.print(f"wrote {path}")
    return Judgement(reference, tables, pdfs)


def _curves(path: Path, wanted: set[tuple[str, float]]) -> Curves:
    """G(r) of some legs of a sweep, or those that are kept beside its results."""
    if path.suffix != RESULTS:
        return curves(path, INSTRUMENT, wanted) if wanted else {}
    kept = read_curves(beside(path), INSTRUMENT)
    if not kept:
        console.print(f"note: no G(r) beside {path} (ocvf-lmp analyze SWEEP --pdfs): no R_w of it")
    return {key: g for key, g in kept.items() if key in wanted}


def _keep_curves(path: Path, results: Path) -> Curves:
    """Makes G(r) of a sweep and writes it beside the results."""
    if path.suffix == RESULTS:
        console.print(f"note: {path} is no sweep, from which --pdfs could make G(r)")
        return {}
    found = curves(path, INSTRUMENT)
    if found:
        write_curves(beside(results), INSTRUMENT, found)
        console.print(f"wrote {beside(results)}")
    else:
        console.print(f"note: too few sound frames in {path} for G(r)")
    return found


def default_charges() -> Path:
    """Born charges in the present folder, or else where this package was installed from.

    Raises:
        InputError: there are none.
    """
    for place in (Path(), Path(__file__).parents[3]):
        if (place / CHARGES).is_file():
            return place / CHARGES
    raise InputError(
        f"expected Born charges in {CHARGES}, found no such file here; run in the project's folder"
        " or give the file by --charges-file"
    )


def output_places(sweeps: Sequence[Path], out: Path | None) -> list[tuple[Path, Path]]:
    """Where the results and the figures of each sweep go.

    Beside the sweep, as ``analysis.json`` and ``figures/``; where several sweeps would share them,
    under their own names. Results of an earlier analysis stay where they are.

    Args:
        sweeps: files.
        out: a folder for all.
    """
    folders = [out or path.parent for path in sweeps]
    places = []
    for path, folder in zip(sweeps, folders, strict=True):
        if path.suffix == RESULTS:
            name = path.stem.removesuffix("analysis").rstrip("_") or path.parent.name
            places.append((path, folder / "figures" / name))
        elif folders.count(folder) == 1:
            places.append((folder / "analysis.json", folder / "figures"))
        else:
            name = path.stem if out is None else f"{path.parent.name}_{path.stem}"
            places.append((folder / f"{name}_analysis.json", folder / "figures" / name))
    if len(set(places)) < len(places):
        raise InputError(
            f"expected sweeps of different names, found {', '.join(map(str, sweeps))}; name each"
            " once, or leave --out away"
        )
    return places


def _show(found: Analysis) -> None:
    cells = "×".join(map(str, found.repeat))
    console.print(
        f"{found.name}: {cells} cells, {found.atoms} atoms, {len(found.legs)} temperatures;"
        f" Born charges {found.charges} ({found.charges_source})"
    )
    for one in tables(found):
        _print(one)
    for remark in found.remarks:
        console.print(f"note: {remark}")


def _print(one: TextTable) -> None:
    console.print(table(one.title, one.columns, one.rows))
    if one.note:
        console.print(one.note)


def _compare(
    found: Sequence[Analysis], reference: Reference | None, folder: Path, figures: bool
) -> None:
    one = comparison_table(found)
    _print(one)
    path = folder / "comparison.json"
    write_text_atomically(path, json.dumps(asdict(one), indent=1, ensure_ascii=False) + "\n")
    console.print(f"wrote {path}")
    if figures:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        save(comparison_figure(found, reference), folder / "figures" / "comparison")
