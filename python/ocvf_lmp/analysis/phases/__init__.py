"""What a temperature sweep shows: phases, transitions, polarization, cells, free energies."""
