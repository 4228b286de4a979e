"""Fitting: targets, metrics, the bottom-up and the top-down trainer."""
