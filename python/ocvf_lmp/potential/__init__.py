"""Potentials: the network, the repulsive core, and the correction of a prior."""
