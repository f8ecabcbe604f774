"""The documents keep what they say: blocks run, links lead somewhere, tables match the code."""
