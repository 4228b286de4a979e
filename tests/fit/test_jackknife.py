"""Errors of what is made of averages."""

import pytest
import torch

from ocvf_lmp.fit.jackknife import of_blocks, standard_error


def test_the_error_of_a_mean_is_that_of_its_blocks():
    blocks = torch.randn(7, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = of_blocks([{"x": block} for block in blocks])
    left_out = torch.stack([averages["x"] for averages in found.left_out])
    assert left_out[2] == pytest.approx(blocks[torch.arange(7) != 2].mean(dim=0))
    expected = blocks.std(dim=0) / 7**0.5
    assert standard_error(left_out, found.factor) == pytest.approx(expected)


def test_the_error_of_a_function_is_that_of_many_repetitions():
    generator = torch.Generator().manual_seed(2)
    many = 1.0 + 0.2 * torch.randn(4000, 5, generator=generator, dtype=torch.float64)
    true = many.mean(dim=1).square().std()
    found = [
        of_blocks([{"x": x} for x in row]).errors(lambda means: {"square": means["x"] ** 2})
        for row in many[:400]
    ]
    squares = [one["square"] ** 2 for one in found]
    assert (sum(squares) / len(squares)) ** 0.5 == pytest.approx(float(true), rel=0.1)
