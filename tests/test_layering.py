"""Imports go one way only, and files keep a size one can read."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "python" / "ocvf_lmp"

LAYERS = {
    "units": 0, "errors": 0, "arrays": 0, "seeding": 0,
    "files": 0, "lock": 0, "mpi": 0, "allocator": 0,
    "system": 1, "potential": 2, "md": 3, "observables": 4,
    "fit": 5, "lammps": 5, "analysis": 5,
    "config": 6, "build": 7, "commands": 8, "cli": 9, "__main__": 10,
}  # fmt: skip
SIBLINGS = {"fit", "lammps", "analysis"}
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 300


def room(module: str) -> str | None:
    """First part below the package, None for what is not ours."""
    parts = module.split(".")
    if parts[0] != "ocvf_lmp" or len(parts) < 2:
        return None
    return parts[1]


def upward_imports(path: Path, source: str) -> list[str]:
    relative = path.relative_to(PACKAGE)
    own = relative.parts[0].removesuffix(".py")
    if own == "__init__":
        return []
    wrong = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "ocvf_lmp":
                names = [f"ocvf_lmp.{a.name}" for a in node.names if not a.name.startswith("__")]
        for name in names:
            other = room(name)
            if other is None or other == own:
                continue
            if LAYERS[other] > LAYERS[own] or {other, own} <= SIBLINGS:
                wrong.append(f"{relative}: imports {name}")
            if LAYERS[other] == LAYERS[own] and LAYERS[own] not in (0, 5):
                wrong.append(f"{relative}: imports {name}")
    return wrong


def test_every_module_has_a_layer():
    rooms = {p.relative_to(PACKAGE).parts[0].removesuffix(".py") for p in MODULES}
    assert rooms - {"__init__"} <= set(LAYERS)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_from_layers_below(path):
    assert upward_imports(path, path.read_text()) == []


def test_the_layering_check_sees_an_upward_import():
    planted = "from ocvf_lmp.fit.train import Trainer\n"
    assert upward_imports(PACKAGE / "md" / "npt.py", planted)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_are_short_enough_to_read(path):
    assert len(path.read_text().splitlines()) <= LONGEST
