"""Streams: what a service that is an async generator yields, on its way to whoever iterates it."""
