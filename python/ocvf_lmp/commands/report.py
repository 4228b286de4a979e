"""``ocvf-lmp report``: figures and one HTML page."""

import argparse

from ocvf_lmp.analysis.maps.displacements import named_displacement
from ocvf_lmp.analysis.report import write_report
from ocvf_lmp.build.runs import newest_run
from ocvf_lmp.commands.console import console


def report(options: argparse.Namespace) -> int:
    """Writes the page of a run folder, with a LAMMPS log beside it if one is named."""
    displacement = named_displacement(options.displacement)
    folder = options.folder or newest_run()
    written = write_report(folder, options.out, options.log, displacement, options.figures)
    console.print(f"wrote {written}")
    return 0
