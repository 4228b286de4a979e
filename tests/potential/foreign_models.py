"""Small MACE models with random weights, since the big ones cannot be had everywhere."""

import warnings

import numpy as np
import torch

from ocvf_lmp.potential.foreign.optional import optional_module


def mace_modules():
    """mace.modules; its import warns, and leaves a setting of torch behind."""
    return optional_module("mace.modules", "mace")


def mace_model(seed=0, heads=1, dtype=torch.float64, **changes):
    """A ScaleShiftMACE for O, Ti and Ba."""
    modules = mace_modules()
    from e3nn import o3

    blocks = modules.interaction_classes
    arguments = {
        "r_max": 4.2, "num_bessel": 5, "num_polynomial_cutoff": 5, "max_ell": 2,
        "interaction_cls": blocks["RealAgnosticResidualInteractionBlock"],
        "interaction_cls_first": blocks["RealAgnosticInteractionBlock"],
        "num_interactions": 2, "num_elements": 3,
        "hidden_irreps": o3.Irreps("6x0e + 6x1o"), "MLP_irreps": o3.Irreps("4x0e"),
        "atomic_energies": np.array([[-4.0, -7.0, -2.0]]) + 0.5 * np.arange(heads)[:, None],
        "avg_num_neighbors": 12.0, "atomic_numbers": [8, 22, 56], "correlation": 2,
        "gate": torch.nn.functional.silu,
        "atomic_inter_scale": 20.0 if heads == 1 else [20.0] * heads,
        "atomic_inter_shift": 0.1 if heads == 1 else [0.1] * heads,
        "heads": [f"head{k}" for k in range(heads)],
    }  # fmt: skip
    before = torch.get_default_dtype()
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        torch.set_default_dtype(dtype)
        try:
            return modules.ScaleShiftMACE(**(arguments | changes))
        finally:
            torch.set_default_dtype(before)


def mace_file(folder, **options):
    """The file of such a model, as mace writes it."""
    path = folder / "small.model"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(mace_model(**options), path)
    return path
