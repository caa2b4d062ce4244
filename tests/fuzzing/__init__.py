"""Input that no peer should send, to both wires and to real sessions; `python -m tests.fuzzing --minutes 30`."""
