"""The angular sum of DimeNet as a plain sum over triplets: the slow reference."""

import torch
from torch import nn

from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.system.edges import Edges


def legendre(order: int, x: torch.Tensor) -> torch.Tensor:
    return torch.special.legendre_polynomial_p(x, order)


def atom_energies(network: DimeNet, edges: Edges, species: torch.Tensor) -> torch.Tensor:
    """m_ji on every edge (centre i, neighbour j), triplets k -> j -> i with k != i listed out."""
    distance = torch.linalg.vector_norm(edges.vector, dim=1, keepdim=True)
    radial = network.basis(distance)
    unit = edges.vector / distance
    message = network._embed(radial, species[edges.neighbor], species[edges.center])

    def read_out(output, message):
        summed = radial.new_zeros(len(species), network.size.n_features)
        summed = summed.index_add(0, edges.center, output.filter(radial) * message)
        return output.final(nn.functional.silu(output.hidden(summed))).squeeze(1)

    energies = read_out(network.outputs[0], message)
    for block, output in zip(network.blocks, list(network.outputs)[1:], strict=True):
        x = nn.functional.silu(block.down(message))
        filters = block.filters(radial)
        angular = torch.zeros_like(x)
        for ji in range(len(edges.center)):
            j = edges.neighbor[ji]
            back = edges.reverse[ji]
            for kj in (edges.center == j).nonzero().squeeze(1).tolist():
                if kj == back:
                    continue  # k = i: the same image of the same atom
                cosine = unit[kj] @ -unit[ji]
                for order in range(network.size.l_max + 1):
                    angular[ji] += x[kj] * filters[kj, order] * legendre(order, cosine)
        message = block.advance(message, angular)
        energies = energies + read_out(output, message)
    return energies * network.scale + network.shift[species]
