"""Measures guaranteed delivery beside the disk, Redis Streams and NATS JetStream, interleaved in one run."""
