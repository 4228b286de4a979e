"""Observables that can be differentiated: pair distribution functions, cell parameters."""
