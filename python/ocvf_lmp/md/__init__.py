"""The NPT twin: forces and stress, integrator, rollouts and their adjoint."""
