"""What runs actors: supervision, wire, transports, stores, configuration, launcher, CLI."""
