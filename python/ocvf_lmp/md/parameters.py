"""Parameters of the isothermal-isobaric ensemble and the masses that follow from them."""

from dataclasses import dataclass
from typing import Literal

from ocvf_lmp.errors import InputError
from ocvf_lmp.units import BAR, KB

Mode = Literal["flexible", "orthogonal", "isotropic", "fixed"]
Counting = Literal["physical", "ase"]

CELL_FREEDOM: dict[str, int] = {"flexible": 6, "orthogonal": 3, "isotropic": 1, "fixed": 0}
"""Independent components of the symmetric cell momentum in each mode."""


@dataclass(frozen=True, slots=True)
class NptParameters:
    """What defines the ensemble and its integrator.

    Attributes:
        temperature: K.
        pressure: external hydrostatic pressure, bar.
        timestep: ps.
        t_damp: time scale of the particles' thermostat, ps (about 100 timesteps).
        p_damp: time scale of the barostat, ps (about 1000 timesteps).
        mode: ``flexible``: all six strains; ``orthogonal``: the three strains along x, y, z;
            ``isotropic``: the volume only; ``fixed``: constant cell (NVT).
        chain: number of thermostats on the particles.
        cell_chain: number of thermostats on the cell.
        loops: subdivisions of each chain's Suzuki-Yoshida step.
        counting: degrees of freedom, see `masses_of`; ``ase`` only to compare with ASE.
    """

    temperature: float = 300.0
    pressure: float = 1.0
    timestep: float = 1.0e-3
    t_damp: float = 0.1
    p_damp: float = 1.0
    mode: Mode = "flexible"
    chain: int = 3
    cell_chain: int = 3
    loops: int = 1
    counting: Counting = "physical"

    def __post_init__(self) -> None:
        positive = ("temperature", "timestep", "t_damp", "p_damp", "chain", "cell_chain", "loops")
        for name in positive:
            if not getattr(self, name) > 0:
                raise InputError(
                    f"expected {name} to be positive, found {getattr(self, name)}; correct {name}"
                )
        for name, options in (("mode", tuple(CELL_FREEDOM)), ("counting", ("physical", "ase"))):
            if getattr(self, name) not in options:
                raise InputError(
                    f"expected {name} to be one of {', '.join(options)}, found"
                    f" {getattr(self, name)!r}; choose one of them"
                )


@dataclass(frozen=True, slots=True)
class NptMasses:
    """Constants of the extended system (energies in eV, times in ps).

    Attributes:
        kt: k_B T, eV.
        pressure: eV/Å³.
        freedom: degrees of freedom N_f of the particles.
        cell_freedom: degrees of freedom of the cell.
        cell_mass: W, eV ps².
        chain: masses Q of the particles' thermostats, eV ps².
        cell_chain: masses R of the cell's thermostats, eV ps².
    """

    kt: float
    pressure: float
    freedom: int
    cell_freedom: int
    cell_mass: float
    chain: tuple[float, ...]
    cell_chain: tuple[float, ...]


def masses_of(params: NptParameters, n_atoms: int) -> NptMasses:
    """Masses of thermostats and barostat (Martyna, Tobias, Klein 1994, eq. 2.9 and section V).

    W = (N_f + 3) kT τ_p² / 3; Q_1 = N_f kT τ_t², R_1 = d kT τ_p², the others kT τ².

    Two counts are on offer. ``physical`` (the default): N_f = 3N - 3, because the total momentum is
    zero and stays zero, and d = 6 for the flexible cell, because its momentum is symmetric. ``ase``
    repeats `ase.md.nose_hoover_chain` for comparisons: N_f = 3N, which with zero total momentum
    heats the particles to T·N/(N-1) (2.5 % at 40 atoms), and d = 9, which heats the six strains of
    the flexible cell to 3/2 T (its isotropic barostat counts d = 1, but takes R_1 for d = 9).

    Raises:
        InputError: fewer than two atoms.
    """
    if n_atoms < 2:
        raise InputError(f"expected at least 2 atoms, found {n_atoms}; repeat the cell")
    kt = KB * params.temperature
    ase = params.counting == "ase"
    freedom = 3 * n_atoms if ase else 3 * n_atoms - 3
    cell_freedom = CELL_FREEDOM[params.mode]
    if ase and params.mode == "flexible":
        cell_freedom = 9
    counted = 9 if ase and params.mode in ("flexible", "isotropic") else max(cell_freedom, 1)
    t_mass, p_mass = kt * params.t_damp**2, kt * params.p_damp**2
    return NptMasses(
        kt=kt,
        pressure=params.pressure * BAR,
        freedom=freedom,
        cell_freedom=cell_freedom,
        cell_mass=(freedom + 3) * p_mass / 3.0,
        chain=(freedom * t_mass,) + (t_mass,) * (params.chain - 1),
        cell_chain=(counted * p_mass,) + (p_mass,) * (params.cell_chain - 1),
    )
