"""Guaranteed messages while publisher, channel cluster and subscriber are killed; see `scripts/kill-test`."""
