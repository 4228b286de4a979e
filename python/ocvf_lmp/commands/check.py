"""``ocvf-lmp check``: LAMMPS against Python."""

import argparse

import torch

from ocvf_lmp.commands.console import console, table
from ocvf_lmp.lammps.parity import check_model


def check(options: argparse.Namespace) -> int:
    """Compares energy, forces and virial; 0 if all agree, 1 if not."""
    torch.set_num_threads(1)
    report = check_model(options.model, options.lmp, options.ranks, options.lammps_arguments)
    rows = [
        (
            row.cell,
            str(row.ranks),
            row.quantity,
            f"{row.magnitude:.6g}",
            f"{row.relative:.1e}",
            "ok" if row.passed else "FAILED",
        )
        for row in report.rows
    ]
    console.print(f"{report.lammps} ({report.lmp})")
    columns = ("cell", "ranks", "quantity", "largest, eV or eV/Å", "relative difference", "verdict")
    console.print(table(f"{options.model}: LAMMPS against Python", columns, rows))
    worst = max(row.relative for row in report.rows)
    verdict = "agree" if report.passed else "DISAGREE"
    console.print(f"LAMMPS and Python {verdict}: {worst:.1e} (limit {report.limit:.0e})")
    return 0 if report.passed else 1
