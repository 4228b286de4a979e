"""Potentials of other people as priors: torch models and black boxes."""
