"""Transports against real ptys, sockets and pipes."""
