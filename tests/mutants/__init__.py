"""Bugs planted one at a time in a copy of the package, to see which check catches each."""
