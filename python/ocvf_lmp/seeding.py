"""Explicit random streams: one seed for a run, one named stream for each purpose."""

import hashlib

import torch


def stream(seed: int, name: str) -> torch.Generator:
    """A generator that depends on the run's seed and on what it is used for.

    Streams of different names are independent, so that a new use of random numbers does not
    change the others.

    Args:
        seed: the run's seed, from the configuration.
        name: purpose of the stream, for instance ``"momenta/300K/replica0"``.
    """
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    generator = torch.Generator()
    generator.manual_seed(int.from_bytes(digest[:7], "little"))
    return generator


def normal(
    shape: tuple[int, ...], generator: torch.Generator, dtype: torch.dtype = torch.float64
) -> torch.Tensor:
    """Standard normal numbers of the given shape, drawn in float64 and then converted."""
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
