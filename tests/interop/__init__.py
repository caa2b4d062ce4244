"""Interoperability: peers that are not ours, and peers written from facts alone."""
