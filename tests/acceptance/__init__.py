"""Whole jobs, as the issue asks for them."""
