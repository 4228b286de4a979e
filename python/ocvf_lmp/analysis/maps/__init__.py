"""What a correction does to the energy of a perovskite along its polar displacement."""
