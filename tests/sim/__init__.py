"""The simulated board: in C, in Python, and what starts them."""
