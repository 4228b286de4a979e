"""Formulas as MathML, made when the site is built: it needs neither scripts nor a network.

mkdocs calls `on_page_content` (see mkdocs.yml) with what pymdownx.arithmatex has marked.
"""

import html
import re
from typing import Any

MARKED = re.compile(r'<(span|div) class="arithmatex">\s*\\([(\[])(.*?)\\[)\]]\s*</\1>', re.DOTALL)


def on_page_content(content: str, **_: Any) -> str:
    """Replaces every formula of a page."""
    from latex2mathml.converter import convert  # noqa: PLC0415 (only where the site is built)

    def formula(found: re.Match[str]) -> str:
        tex = html.unescape(found.group(3)).strip()
        display = "block" if found.group(2) == "[" else "inline"
        made = convert(tex, display=display)
        if "\\" in made:
            raise ValueError(f"expected a formula that becomes MathML, found {tex!r}; rewrite it")
        return made

    return MARKED.sub(formula, content)
