import importlib
import sys
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def one_thread():
    """Whatever a test does to torch's threads, the next one starts with one."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture
def shared() -> Path:
    """Development data that are not part of the project: tests that need them skip without."""
    folder = ROOT.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("the development data are not at hand (a folder `shared` beside the clone)")
    return folder


@pytest.fixture(scope="module")
def scripts():
    """The modules of data/world, imported as its scripts import each other."""
    folder = str(ROOT / "data" / "world")
    sys.path.insert(0, folder)
    try:
        names = ("world_frames", "world_curves", "measure")
        yield {name: importlib.import_module(name) for name in names}
    finally:
        sys.path.remove(folder)
