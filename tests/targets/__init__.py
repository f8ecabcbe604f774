"""Emulated chips and what runs them."""
