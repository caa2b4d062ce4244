"""Faults on real sockets and in real processes, on loopback."""
