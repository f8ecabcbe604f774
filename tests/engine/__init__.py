"""Tests of the engine: two wires stepped by hand, no threads, no clock."""
