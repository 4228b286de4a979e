"""``ocvf-lmp report``: figures and one HTML page."""

import argparse
from pathlib import Path

from ocvf_lmp.analysis.maps.displacements import named_displacement
from ocvf_lmp.analysis.potential_report import write_potential_report
from ocvf_lmp.analysis.report import write_report
from ocvf_lmp.build.runs import newest_run
from ocvf_lmp.commands.console import console
from ocvf_lmp.errors import InputError

CORRECTED = "corrected.pt"
"""The potential in a folder of results."""
CONFIG = "config.yaml"
"""What a run folder has, and a folder of results has not."""


def report(options: argparse.Namespace) -> int:
    """Writes the page of a potential, or of a run folder, with a LAMMPS log if one is named."""
    displacement = named_displacement(options.displacement)
    source = options.source or newest_run()
    potential = _potential(source)
    if potential is not None:
        if options.log is not None:
            raise InputError(
                f"expected a run folder beside --log, found the potential {potential}; leave --log"
                " away"
            )
        written = write_potential_report(
            potential, options.out, displacement, options.figures, options.analysis, options.lattice
        )
    else:
        if options.lattice is not None:
            raise InputError(
                f"expected a potential beside --lattice, found the folder {source}, whose cells are"
                " those of the run; leave --lattice away"
            )
        written = write_report(
            source, options.out, options.log, displacement, options.figures, options.analysis
        )
    console.print(f"wrote {written}")
    return 0


def _potential(source: Path) -> Path | None:
    """The file of a potential, also in a folder of results; None for a run folder."""
    if source.is_file():
        return source
    results, of_a_run = source / CORRECTED, source / CONFIG
    return results if results.is_file() and not of_a_run.is_file() else None
