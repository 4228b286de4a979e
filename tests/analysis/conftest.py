from pathlib import Path

import pytest
from fake_run import write_run


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory) -> Path:
    """A made-up run with a LAMMPS log; tests that change files copy it first."""
    return write_run(tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="session")
def unfinished_run(tmp_path_factory) -> Path:
    """Half of the epochs, no log; the x-ray targets pass for measured ones."""
    folder = tmp_path_factory.mktemp("unfinished")
    return write_run(folder, finished=False, log=False, measured=True)
