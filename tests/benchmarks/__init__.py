"""Measurements: ratios within one run, never times against a stored time."""
