"""The public API of both shells, their threads and tasks, and what faults do to them."""
