"""Vectors and what writes them."""
