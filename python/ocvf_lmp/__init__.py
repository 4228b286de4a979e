"""ocvf-lmp: corrects an interatomic potential with experiments and runs it in LAMMPS."""

__version__ = "0.1.0"
