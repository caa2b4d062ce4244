"""Zato's own Python client, in an environment and a process of its own."""
