"""What another team needs to connect to a channel: for its clusters.toml, for Zato, for a client of its own."""

from runtime.config.peer.blocks import enmasse_block, toml_block
from runtime.config.peer.client import client_steps
from runtime.config.peer.facts import NoSuchPeer, PeerFacts, facts_of

__all__ = ["NoSuchPeer", "PeerFacts", "client_steps", "enmasse_block", "facts_of", "toml_block"]
