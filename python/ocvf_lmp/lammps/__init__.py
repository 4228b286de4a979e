"""LAMMPS: the model file, the ML-IAP unified model, the plugin's host, parity with Python."""
