"""One time step of LAMMPS as the plugin shows it to a model.

Offers what the data object of LAMMPS' own ML-IAP offers (interface: LAMMPS manual, `pair_style
mliap`, "unified"), and also tags, positions, step, thermostat temperature and the exchange of ghost
rows, which ML-IAP has in its Kokkos build only.
"""

import ctypes
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch

from ocvf_lmp.errors import LammpsError

Array = np.ndarray
Rows = np.ndarray | torch.Tensor
"""A row of numbers for each atom, owned ones and ghosts: float32 or float64, contiguous."""

_ADD_PAIR_FORCES = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
_EXCHANGE = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int, ctypes.c_int
)
_view = ctypes.pythonapi.PyMemoryView_FromMemory
_view.restype = ctypes.py_object
_view.argtypes = [ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int]
_WRITABLE = 0x200  # PyBUF_WRITE


class Step(ctypes.Structure):
    """`ocvf::Step` of plugin/python_host.h, field by field."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in
          ("bytes", "n_local", "n_total", "n_listed", "n_centers", "n_pairs",
           "eflag", "vflag", "timestep", "tag_bytes")),
        ("temperature", ctypes.c_double),
        *((name, ctypes.c_void_p) for name in
          ("energy", "center_energy", "vector", "position", "force",
           "pair_i", "pair_j", "pair_j_element", "center", "center_pairs", "element",
           "tag", "owner")),
        ("add_pair_forces", _ADD_PAIR_FORCES),
        ("exchange", _EXCHANGE),
    )  # fmt: skip


class UnifiedModel(Protocol):
    """What LAMMPS asks of the object in a model file.

    A model may also have `ghost_cutoff` (Å, the reach of all its layers, for LAMMPS without
    exchange) and `summary` (text for the log).
    """

    element_types: Sequence[str]
    rcutfac: float
    ndescriptors: int
    nparams: int
    interface: Any

    def compute_descriptors(self, data: Any) -> None:
        """First call of a step."""

    def compute_gradients(self, data: Any) -> None:
        """Second call of a step."""

    def compute_forces(self, data: Any) -> None:
        """Third call of a step: sets the energies, adds the forces."""


def _array(address: int | None, shape: tuple[int, ...], dtype: type) -> Array:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size == 0 or not address:
        return np.zeros(shape, dtype)
    return np.frombuffer(_view(address, size, _WRITABLE), dtype).reshape(shape)


class PluginData:
    """One time step. Arrays are views of LAMMPS' memory: no copies, valid during the step only.

    Attributes:
        nlocal, ntotal: owned atoms; owned and ghost atoms (in this order in all per-atom arrays).
        nlistatoms, natomneigh: owned centres; owned and ghost centres.
        npairs, nelements, ndescriptors, nparams, eflag, vflag: as in ML-IAP.
        timestep: number of the step.
        temperature: target of the thermostat, K; nan without one (or with several that differ).
    """

    def __init__(self, step: Step, model: UnifiedModel) -> None:
        self._step = step
        self.nlocal, self.ntotal = int(step.n_local), int(step.n_total)
        self.nlistatoms, self.natomneigh = int(step.n_listed), int(step.n_centers)
        self.npairs = int(step.n_pairs)
        self.nelements = len(model.element_types)
        self.ndescriptors, self.nparams = model.ndescriptors, model.nparams
        self.eflag, self.vflag = int(step.eflag), int(step.vflag)
        self.timestep = int(step.timestep)
        self.temperature = float(step.temperature)

    @property
    def rij(self) -> Array:
        """x_j - x_i, Å, (npairs, 3)."""
        return _array(self._step.vector, (self.npairs, 3), np.float64)

    @property
    def pair_i(self) -> Array:
        """Index of the centre of each pair, (npairs,); at least nlocal: a ghost."""
        return _array(self._step.pair_i, (self.npairs,), np.int32)

    @property
    def pair_j(self) -> Array:
        """Index of the neighbour of each pair, (npairs,)."""
        return _array(self._step.pair_j, (self.npairs,), np.int32)

    jatoms = pair_j

    @property
    def jelems(self) -> Array:
        """Element of the neighbour, index into the model's element_types, (npairs,)."""
        return _array(self._step.pair_j_element, (self.npairs,), np.int32)

    @property
    def elems(self) -> Array:
        """Element of each atom, (ntotal,); -1 for an atom that is not the model's (NULL)."""
        return _array(self._step.element, (self.ntotal,), np.int32)

    @property
    def iatoms(self) -> Array:
        """Atom index of each centre, (natomneigh,)."""
        return _array(self._step.center, (self.natomneigh,), np.int32)

    @property
    def ielems(self) -> Array:
        """Element of each centre, (natomneigh,)."""
        return self.elems[self.iatoms]

    @property
    def numneighs(self) -> Array:
        """How many pairs each centre has, (natomneigh,); pairs are ordered by centre."""
        return _array(self._step.center_pairs, (self.natomneigh,), np.int32)

    @property
    def x(self) -> Array:
        """Positions, Å, (ntotal, 3). Not in ML-IAP."""
        return _array(self._step.position, (self.ntotal, 3), np.float64)

    @property
    def tag(self) -> Array:
        """Atom identity, the same for an atom and its ghosts, (ntotal,). Not in ML-IAP."""
        dtype = np.int64 if self._step.tag_bytes == 8 else np.int32
        return _array(self._step.tag, (self.ntotal,), dtype)

    @property
    def f(self) -> Array:
        """Forces of all pair styles, eV/Å, (ntotal, 3): add to them, never assign."""
        return _array(self._step.force, (self.ntotal, 3), np.float64)

    @property
    def eatoms(self) -> Array:
        """Energy of each owned centre, eV, (nlistatoms,); zero at the beginning of a step."""
        return _array(self._step.center_energy, (self.nlistatoms,), np.float64)

    @eatoms.setter
    def eatoms(self, energies: Rows) -> None:
        self.eatoms[...] = _numpy(energies)

    @property
    def energy(self) -> float:
        """Energy of this rank's atoms, eV; zero at the beginning of a step."""
        return float(_array(self._step.energy, (1,), np.float64)[0])

    @energy.setter
    def energy(self, energy: float) -> None:
        _array(self._step.energy, (1,), np.float64)[0] = float(energy)

    def update_pair_energy(self, eij: Rows) -> None:
        """Adds pair energies, eV, (npairs,): half of each to its centre, if that is owned."""
        owned = self.pair_i < self.nlocal
        place = np.zeros(self.ntotal, np.int64)
        place[self.iatoms[: self.nlistatoms]] = np.arange(self.nlistatoms)
        halves = 0.5 * _numpy(eij)[owned]
        np.add.at(self.eatoms, place[self.pair_i[owned]], halves)
        self.energy += halves.sum()

    def update_pair_forces(self, fij: Rows) -> None:
        """Adds forces and virials from dE/d(rij), eV/Å, (npairs, 3)."""
        gradient = np.ascontiguousarray(_numpy(fij), np.float64)
        if gradient.shape != (self.npairs, 3):
            raise ValueError(f"pair forces of shape {gradient.shape} for {self.npairs} pairs")
        self._step.add_pair_forces(self._step.owner, gradient.ctypes.data)

    def forward_exchange(self, source: Rows, target: Rows, width: int) -> None:
        """Copies rows, (ntotal, width), from source to target; ghosts get their owners' rows.

        All ranks must call this alike, those without atoms too.
        """
        self._exchange(source, target, width, forward=True)

    def reverse_exchange(self, source: Rows, target: Rows, width: int) -> None:
        """Copies rows to target and adds those of ghosts to their owners; ghosts end as zero."""
        self._exchange(source, target, width, forward=False)

    def _exchange(self, source: Rows, target: Rows, width: int, *, forward: bool) -> None:
        rows = _numpy(target)
        if rows.size != self.ntotal * width or rows.dtype not in (np.float32, np.float64):
            raise ValueError(
                f"expected: float32 or float64 rows of {self.ntotal} atoms x {width}\n"
                f"found: {rows.dtype} of shape {rows.shape}"
            )
        if not rows.flags.c_contiguous:
            raise ValueError("expected: contiguous rows\nfound: strides\nto do: .contiguous()")
        if source is not target:
            rows[...] = _numpy(source).reshape(rows.shape)
        single = rows.dtype == np.float32
        if self._step.exchange(self._step.owner, rows.ctypes.data, width, single, forward):
            raise LammpsError("stopped by another rank")


def _numpy(values: Rows) -> Array:
    """The same memory as a numpy array."""
    return values if isinstance(values, np.ndarray) else values.detach().numpy()
