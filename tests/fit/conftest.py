import pytest

from ocvf_lmp.potential.weights import load_potential


@pytest.fixture
def prior(root):
    return load_potential(root / "data" / "prior" / "bto_pbesol.pt")[0]
