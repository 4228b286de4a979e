"""What the free-form header of a ``.gr`` file says of its data."""

import re
from collections.abc import Mapping

RADIATION_WORDS = {
    "xray": "xray",
    "x-ray": "xray",
    "x": "xray",
    "neutron": "neutron",
    "neutrons": "neutron",
    "n": "neutron",
}
_KEYS = {
    "qmax": "q_max",
    "q_max": "q_max",
    "qmin": "q_min",
    "q_min": "q_min",
    "qdamp": "q_damp",
    "q_damp": "q_damp",
    "qbroad": "q_broad",
    "q_broad": "q_broad",
    "temperature": "temperature",
    "temperature_k": "temperature",
    "pressure": "pressure",
    "pressure_bar": "pressure",
    "number_density": "density",
}


def parse_formula(formula: str) -> dict[str, float] | None:
    """Atomic fractions of a formula without brackets ("BaTiO3", "Ba0.2 Ti0.2 O0.6"); else None."""
    text = formula.replace(" ", "")
    if not re.fullmatch(r"(?:[A-Z][a-z]?(?:\d+\.?\d*|\.\d+)?)+", text):
        return None
    counts: dict[str, float] = {}
    for symbol, number in re.findall(r"([A-Z][a-z]?)(\d+\.?\d*|\.\d+)?", text):
        counts[symbol] = counts.get(symbol, 0.0) + float(number or 1)
    return normalised(counts)


def normalised(counts: Mapping[str, int | float]) -> dict[str, float]:
    """Fractions that add up to 1."""
    total = sum(counts.values())
    return {symbol: count / total for symbol, count in counts.items()}


def parse_header(header: list[str]) -> tuple[dict[str, float], dict[str, str]]:
    """Known quantities by field of `GrFile`, and all other ``key = value`` pairs as text.

    PDFgetX3 writes one pair a line, PDFgetN several; the first mention of a key counts.
    """
    known: dict[str, float] = {}
    extra: dict[str, str] = {}
    for line in header:
        text = line.strip().lstrip("#").strip()
        pairs = re.findall(r"([A-Za-z_]\w*)\s*=[ \t]*([^\s=]*)(?=\s|$)", text)
        if len(pairs) == 1 and re.match(r"[A-Za-z_]\w*\s*=", text):
            pairs = [(pairs[0][0], text.split("=", 1)[1].strip())]
        for key, value in pairs:
            name = _KEYS.get(key.lower())
            number = _leading_number(value)
            if name is None or number is None:
                extra.setdefault(key.lower(), value)
            else:
                known.setdefault(name, number)
    return known, extra


def _leading_number(value: str) -> float | None:
    match = re.match(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", value)
    return float(match.group()) if match else None


def take_radiation(header: list[str], extra: dict[str, str]) -> str | None:
    """The radiation ("xray", "neutron" or None); its key is taken out of `extra`."""
    for key in ("radiation", "mode", "stype"):
        word = extra.get(key, "").lower()
        if word in RADIATION_WORDS:
            extra.pop(key)
            return RADIATION_WORDS[word]
    return "neutron" if any("PDFgetN" in line for line in header) else None


def take_composition(header: list[str], extra: dict[str, str]) -> dict[str, float] | None:
    """Atomic fractions from a formula or from PDFgetN's table of elements, or None."""
    if "composition" in extra:
        parsed = parse_formula(extra["composition"])
        if parsed is not None:
            extra.pop("composition")
        return parsed
    start = next((k for k, s in enumerate(header) if s.startswith("Element relAtomNum")), None)
    if start is None:
        return None
    counts: dict[str, float] = {}
    for line in header[start + 1 :]:
        match = re.match(r"\s*([A-Z][a-z]?)\s+([\d.]+)\s", line)
        if match is None:
            break
        counts[match.group(1)] = counts.get(match.group(1), 0.0) + float(match.group(2))
    return normalised(counts) if counts else None
