"""``ocvf-lmp report``: figures and one HTML page."""

import argparse

from ocvf_lmp.analysis.report import write_report
from ocvf_lmp.build.runs import newest_run
from ocvf_lmp.commands.console import console


def report(options: argparse.Namespace) -> int:
    """Writes the page of a run folder, with a LAMMPS log beside it if one is named."""
    written = write_report(options.folder or newest_run(), options.out, options.log)
    console.print(f"wrote {written}")
    return 0
