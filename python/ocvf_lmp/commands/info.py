"""``ocvf-lmp info``: what a file holds, and what is wrong with it."""

import argparse

from rich.table import Table

from ocvf_lmp.analysis.describe import describe_file
from ocvf_lmp.commands.console import console
from ocvf_lmp.fit.gr_file import read_gr
from ocvf_lmp.lammps.model_file import read_whole


def info(options: argparse.Namespace) -> int:
    """Describes files and run folders; 1 if one of them has a problem."""
    sound = True
    for path in options.path:
        found = describe_file(path, {"gr": read_gr, "model": read_whole})
        drawn = Table(title=found.title, title_justify="left", show_header=False)
        drawn.add_column(style="bold")
        drawn.add_column(overflow="fold")
        for label, value in found.rows:
            drawn.add_row(label, value)
        console.print(drawn)
        for problem in found.problems:
            console.print(f"problem: {problem}")
        sound &= not found.problems
    return 0 if sound else 1
