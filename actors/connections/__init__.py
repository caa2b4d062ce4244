"""Outgoing connections: the link that is kept, the calls over it, its hooks."""
