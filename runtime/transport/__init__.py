"""What carries links: networks of streams, and WebSockets on top of them."""

from runtime.transport.dialer import WebSocketDialer
from runtime.transport.listener import WebSocketListener
from runtime.transport.network import Address, Network
from runtime.transport.options import LinkOptions

__all__ = ["Address", "LinkOptions", "Network", "WebSocketDialer", "WebSocketListener"]
