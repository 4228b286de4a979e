"""From the page of a report to that of the sweeps of its model."""

import os
from pathlib import Path
from urllib.parse import quote

from ocvf_lmp.analysis.page import Link, Page
from ocvf_lmp.errors import DataError

NAME = "phases"


def analysis_page(analysis: Path | None, report: Path) -> Page | None:
    """A part of the report that leads to an analysis; None without one.

    Args:
        analysis: page of `ocvf-lmp analyze`.
        report: page that the link is for; the address is relative to it.

    Raises:
        DataError: there is no such page.
    """
    if analysis is None:
        return None
    if not analysis.is_file() or analysis.suffix.lower() not in (".html", ".htm"):
        found = "no such file" if not analysis.is_file() else "a file that is no page"
        raise DataError(
            f"expected the page of an analysis in {analysis}, found {found}; name the analysis.html"
            " that `ocvf-lmp analyze` has written"
        )
    address = os.path.relpath(analysis.resolve(), report.resolve().parent)
    link = Link(analysis.name, quote(Path(address).as_posix()))
    text = "What sweeps over temperature with this model show stands on a page of its own:"
    return Page(NAME, "Phases and transitions", (), (), text, link=link)
