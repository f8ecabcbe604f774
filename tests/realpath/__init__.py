"""Faults on the real path: a C board behind a pty, the real pumps, a bad line, and real signals."""
