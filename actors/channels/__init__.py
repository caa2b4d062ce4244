"""Channels and their sessions: who is let in, what a peer asks and is asked."""
