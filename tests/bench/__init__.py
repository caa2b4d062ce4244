"""Measures calls, links and guaranteed delivery beside the disk, Redis, NATS and gRPC, interleaved in one run."""
