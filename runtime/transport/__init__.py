"""What carries links: networks of streams, and WebSockets on top of them."""

from runtime.transport.network import Address, Network
from runtime.transport.websocket import LinkOptions, WebSocketDialer, WebSocketListener

__all__ = ["Address", "LinkOptions", "Network", "WebSocketDialer", "WebSocketListener"]
