"""Morse: codec, line, transport, command line."""
