"""Tests of the C library and its simulated board."""
