"""Small models for the tests of the plugin; they know ML-IAP's interface and nothing of ours."""

import sys

import torch

EPSILON, SIGMA, CUTOFF = 0.0104, 3.4, 8.0  # argon: eV, Å, Å


class Unified:
    """What LAMMPS asks of any model."""

    def __init__(self, elements=("Ar",)):
        self.element_types = list(elements)
        self.rcutfac, self.ndescriptors, self.nparams = CUTOFF / 2, 1, 1
        self.interface = None

    def compute_descriptors(self, data):
        pass

    def compute_gradients(self, data):
        pass


class LennardJones(Unified):
    """`pair_style lj/cut`, either by ML-IAP's helper for the energy or by direct assignment."""

    def __init__(self, helper=True, elements=("Ar",)):
        super().__init__(elements)
        self.helper = helper

    def compute_forces(self, data):
        vector = torch.from_numpy(data.rij).clone().requires_grad_(True)
        s6 = (SIGMA**2 / (vector * vector).sum(1)) ** 3
        pair_energy = 4 * EPSILON * (s6 * s6 - s6)
        center = torch.from_numpy(data.pair_i).long()
        energy = 0.5 * (pair_energy * (center < data.nlocal)).sum()
        (gradient,) = torch.autograd.grad(energy, vector)
        if self.helper:
            data.update_pair_energy(pair_energy.detach().numpy())
        else:
            atom_energy = torch.zeros(data.ntotal, dtype=torch.float64)
            atom_energy.index_add_(0, center, 0.5 * pair_energy.detach())
            data.eatoms = atom_energy[torch.from_numpy(data.iatoms[: data.nlistatoms]).long()]
            data.energy = energy.item()
        data.update_pair_forces(gradient)


class Exchange(torch.autograd.Function):
    """Ghost rows from their owners; backward, gradients of ghost rows to their owners."""

    @staticmethod
    def forward(ctx, rows, data):
        ctx.data = data
        out = torch.empty_like(rows)
        data.forward_exchange(rows, out, rows.shape[1])
        return out

    @staticmethod
    def backward(ctx, *gradients):
        gradient = gradients[0].contiguous()
        out = torch.empty_like(gradient)
        ctx.data.reverse_exchange(gradient, out, gradient.shape[1])
        return out, None


class MessagePassing(Unified):
    """Two layers: densities of `width` widths, then a sum over the neighbours' densities."""

    def __init__(self, width=3, exchange=True, fault=None):
        super().__init__()
        self.width, self.exchange, self.fault = width, exchange, fault
        if not exchange:
            self.ghost_cutoff = 2 * CUTOFF

    def compute_forces(self, data):
        vector = torch.from_numpy(data.rij).clone().requires_grad_(True)
        center = torch.from_numpy(data.pair_i).long()
        neighbor = torch.from_numpy(data.pair_j).long()
        distance = vector.norm(dim=1)
        envelope = (1 - (distance / CUTOFF) ** 2).clamp(min=0) ** 3
        widths = torch.linspace(0.5, 1.5, self.width, dtype=torch.float64)
        message = envelope[:, None] * torch.exp(-widths * distance[:, None] / SIGMA)
        empty = torch.zeros(data.ntotal, self.width, dtype=torch.float64)
        density = empty.index_add(0, center, message)
        if self.fault == "raise between exchanges" and holds_first_atom(data):
            raise ArithmeticError("a model that fails halfway")
        if self.fault == "leave early" and holds_first_atom(data):
            return
        if self.exchange:
            density = Exchange.apply(density, data)
        feature = torch.tanh(density)
        pair_energy = 0.01 * (envelope[:, None] * feature[center] * feature[neighbor]).sum(1)
        owned = center < data.nlocal
        atom_energy = torch.zeros(data.ntotal, dtype=torch.float64)
        atom_energy = atom_energy.index_add(0, center[owned], pair_energy[owned])
        energy = atom_energy.sum()
        (gradient,) = torch.autograd.grad(energy, vector)
        data.eatoms = atom_energy[torch.from_numpy(data.iatoms[: data.nlistatoms]).long()]
        data.energy = energy.item()
        data.update_pair_forces(gradient)


class Faulty(LennardJones):
    """Fails from step 3 on, on the one rank that holds the first atom."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault

    def compute_forces(self, data):
        super().compute_forces(data)
        if data.timestep < 3 or not holds_first_atom(data):
            return
        if self.fault == "raise":
            raise ArithmeticError("a {model} that fails")
        if self.fault == "exit":
            raise SystemExit(0)
        if self.fault == "nan energy":
            data.energy = float("nan")
        if self.fault == "nan force":
            data.f[0, 0] = float("nan")


class Talkative(LennardJones):
    """Prints what the host tells beyond ML-IAP."""

    summary = "Talkative: knows its summary"

    def compute_forces(self, data):
        super().compute_forces(data)
        at = data.iatoms[:4]
        first = [data.jatoms[data.pair_i == i][0] for i in at]
        vectors = [data.rij[data.pair_i == i][0] for i in at]
        same = abs(data.x[first] - data.x[at] - vectors).max() == 0.0
        sys.stdout.write(
            f"step {data.timestep} temperature {data.temperature:g} same {same} "
            f"tags {sorted(set(data.tag)) == list(range(1, 257))} "
            f"threads {torch.get_num_threads()} host {self.interface.name}\n"
        )


def holds_first_atom(data):
    return bool((data.tag[: data.nlocal] == 1).any())
