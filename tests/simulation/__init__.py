"""Random clusters under random faults, each run decided by its seed alone."""
