"""Every test of the Python side, and the tools that they share."""
