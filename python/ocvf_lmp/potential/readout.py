"""A network's output layers by the kernels: energies of atoms, and back to the sums they read."""

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ocvf_lmp.potential.kernels import Packed, WhileWeightsStand, address, addresses


class _Readout(ctypes.Structure):
    _fields_ = (
        ("number", ctypes.c_int64),
        ("atom", ctypes.c_void_p),
        ("species", ctypes.c_void_p),
        ("sums", ctypes.c_void_p * 2),
        ("gradients", ctypes.c_void_p * 2),
        ("energy", ctypes.c_void_p),
    )


class Reader(Packed):
    """A network's output layers, packed for the kernels."""

    def __init__(
        self, weights: Sequence[Tensor], sizes: tuple[int, int, int], single: bool
    ) -> None:
        held = [w.detach().to(torch.float64).contiguous() for w in weights]
        numbers = (ctypes.c_int64 * 3)(*sizes)
        super().__init__("ocvf_create_reader", int(single), numbers, addresses(held))

    def read(
        self, rows: Tensor, species: Tensor, sums: Sequence[Tensor], gradients: Sequence[Tensor]
    ) -> Tensor:
        """Energies, eV, (rows,), float64.

        Args:
            rows: atoms that are read; contiguous, as all of these tensors.
            species: of all atoms.
            sums: of each output block, (atoms, features).
            gradients: of the sum of the energies by these; written where an atom is read.
        """
        energies = torch.empty(len(rows), dtype=torch.float64)
        pair = ctypes.c_void_p * 2
        what = _Readout(
            len(rows), address(rows), address(species), pair(*map(address, sums)),
            pair(*map(address, gradients)), address(energies),
        )  # fmt: skip
        if not self.library.ocvf_read(self.handle, ctypes.byref(what)):
            raise MemoryError("no memory for the output layers")
        return energies


_readers: WhileWeightsStand[Reader] = WhileWeightsStand()


def reader_of(network: nn.Module, dtype: torch.dtype) -> Reader:
    """The reader of a `DimeNet`, made anew when its weights have changed."""
    weights: list[Tensor] = []
    for output in network.outputs:  # pyright: ignore
        weights += [output.hidden.weight, output.hidden.bias, output.final.weight]
    weights += [network.scale, network.shift]  # pyright: ignore
    size: Any = network.size
    sizes = (size.n_features, size.n_blocks + 1, len(network.symbols))  # pyright: ignore
    single = dtype == torch.float32
    return _readers.get(network, dtype, weights, lambda: Reader(weights, sizes, single))
