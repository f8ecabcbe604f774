"""The ``ipfi`` command in real processes, on real ptys."""
