"""Measures calls, messages, links and their cost beside the disk, Redis, NATS and gRPC, interleaved in one run."""
