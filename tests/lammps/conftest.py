import pytest
import torch

from ocvf_lmp.lammps.model_file import export_model


@pytest.fixture
def model_of(tmp_path):
    """Makes of a potential what LAMMPS loads."""

    def make(potential, **options):
        export_model(tmp_path / "model.pt", potential, **options)
        return torch.load(tmp_path / "model.pt", weights_only=False)

    return make
