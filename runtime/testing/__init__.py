"""What tests of clusters use: any number of them in one process, on a mock clock, over a network with faults."""

from runtime.testing.clusters import Clusters, SimulatedCluster
from runtime.testing.ports import InlineThreads, SeededEntropy, SimulatedClock
from runtime.testing.run import run_simulated
from runtime.transport.memory import MemoryNetwork

__all__ = [
    "Clusters",
    "InlineThreads",
    "MemoryNetwork",
    "SeededEntropy",
    "SimulatedClock",
    "SimulatedCluster",
    "run_simulated",
]
