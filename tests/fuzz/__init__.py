"""Fuzzing: bytes that nobody meant into either core, and into both, which must agree on them."""
