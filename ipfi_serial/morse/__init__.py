"""Bytes as dots and dashes: two alphabets, keying, a decoder that calibrates itself, line access.

Pure: edge times in, bytes out; bytes in, edge times out.  docs/morse.md is its specification.
"""
