"""Atoms in periodic cells: structures, neighbours, edges, trajectories."""
