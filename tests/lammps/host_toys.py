"""A potential that fails on one rank, for model files that LAMMPS loads from this folder."""

from torch import nn


class FailsOnOneRank(nn.Module):
    """A network until the third step, at which the last rank raises."""

    def __init__(self, network):
        super().__init__()
        self.network, self.calls = network, 0
        self.symbols, self.cutoff, self.n_hops = network.symbols, network.cutoff, network.n_hops

    def atom_energies(self, edges, species, exchange=None):
        from mpi4py import MPI

        self.calls += 1
        last = MPI.COMM_WORLD.Get_rank() == MPI.COMM_WORLD.Get_size() - 1
        if self.calls == 3 and last:
            raise ArithmeticError("a potential that fails")
        return self.network.atom_energies(edges, species, exchange)
