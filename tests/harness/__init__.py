"""Two ends of a wire in one process, on one virtual clock, over a line as bad as asked for."""
