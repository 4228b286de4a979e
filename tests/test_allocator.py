"""The allocator's setting, in a process of its own."""

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource
import torch
from ocvf_lmp.allocator import keep_memory
print(keep_memory())
def faults(n):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(n):
        torch.ones(1_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults(20)
print(faults(50))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator than glibc's")
def test_pages_of_large_blocks_are_used_again():
    """50 arrays of 4 MB are 50 000 pages if every one is new."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    kept, faults = done.stdout.split()
    assert kept == "True"
    assert int(faults) < 10_000
