"""The HTML page of a report, complete in itself, and the parts that fill it."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from ocvf_lmp.analysis.page_template import TEMPLATE
from ocvf_lmp.analysis.style import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Cell:
    """Text of a cell; `tone` is a class of the page's style, `tag` a label behind the text."""

    text: str
    tone: str = ""
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Cells; `first` of a group."""

    cells: Sequence[Cell]
    first: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """Text that leads to an address."""

    text: str
    address: str


@dataclass(frozen=True, slots=True)
class Page:
    """A table with its title; `left` are the columns of words, `link` leads to more of it."""

    name: str
    title: str
    head: Sequence[str]
    rows: Sequence[Row]
    note: str = ""
    left: Sequence[int] = (0,)
    link: Link | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """A number to be seen first; `tone` is a class of the page's style."""

    value: str
    label: str
    tone: str = ""


def figure_block(name: str, title: str, caption: str, figure: "Figure") -> dict[str, Any]:
    """A figure as the template takes it.

    Args:
        name: unique on the page.
        title: above it.
        caption: below it.
        figure: drawn into the page as SVG.
    """
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return {
        "name": name,
        "title": title,
        "caption": caption,
        "width": round(130 * figure.get_figwidth()),
        "data": base64.b64encode(buffer.getvalue()).decode(),
    }


def fill_page(
    title: str,
    subtitle: str,
    blocks: Sequence[Any],
    provenance: Sequence[tuple[str, str]],
    *,
    synthetic: str = "",
    missing: Sequence[str] = (),
    problems: Sequence[str] = (),
    cards: Sequence[Card] = (),
    configuration: Mapping[str, Any] | None = None,
) -> str:
    """The page as text.

    Args:
        title: of the page.
        subtitle: below it.
        blocks: tables (`Page`) and figures (`figure_block`), as they follow one another.
        provenance: labels and what they say.
        synthetic: words on synthetic targets, if there are any.
        missing: files that are not there.
        problems: in words.
        cards: key numbers.
        configuration: as it was resolved.
    """
    from jinja2 import Environment  # noqa: PLC0415 (only reports need it)

    whole = dict(configuration or {})
    template = Environment(autoescape=True, trim_blocks=True).from_string(TEMPLATE)
    return template.render(
        title=title,
        subtitle=subtitle,
        synthetic=synthetic,
        missing=missing,
        problems=problems,
        cards=cards,
        blocks=blocks,
        provenance=provenance,
        configuration=yaml.safe_dump(whole, sort_keys=False, allow_unicode=True) if whole else "",
    )
