"""Constants of LAMMPS ``units metal``, digit for digit as in LAMMPS' own ``update.cpp``.

Energies in eV, lengths in Å, times in ps, masses in amu (g/mol), temperatures in K, pressures in
bar. Momenta are amu Å/ps and kinetic energies are converted by `MVV2E`.
"""

KB = 8.617343e-5
"""Boltzmann constant, eV/K."""

MVV2E = 1.0364269e-4
"""amu (Å/ps)² in eV."""

NKTV2P = 1.6021765e6
"""eV/Å³ in bar."""

BAR = 1.0 / NKTV2P
"""1 bar in eV/Å³."""

GPA = 1.0e4 / NKTV2P
"""1 GPa in eV/Å³."""

E_PER_A2_TO_C_PER_M2 = 16.021765
"""e/Å² in C/m² (the elementary charge with the digits of `NKTV2P`)."""

FS = 1.0e-3
"""1 fs in ps."""
