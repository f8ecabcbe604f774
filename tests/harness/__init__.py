"""Two ends of a wire in one process, on one virtual clock, over a line that is as bad as asked for."""
