"""What a cluster's channels, outgoing connections, topics, endpoints and security definitions are set to.

Frozen data, the same whether it came from clusters.toml or from a test. `runtime.config` reads it; the actors
of the same names act on it. All times are seconds, all sizes bytes.
"""

from __future__ import annotations

from actors.settings.access import Algorithm, EndpointRole, EndpointSettings, SecurityKind, SecuritySettings
from actors.settings.channels import ADMIN_CHANNEL, ChannelSettings, Compat
from actors.settings.delivery import ActiveStatus, DeliverFrom, DeliveryOptions, DeliverySettings
from actors.settings.outgoing import DataFormat, OutgoingSettings, Remote
from actors.settings.topics import OnFull, OnNoSubs, SubscriptionSettings, TopicSettings
from actors.settings.units import MIB
from actors.settings.wires import Compression, WireFormat

__all__ = [
    "ADMIN_CHANNEL",
    "MIB",
    "ActiveStatus",
    "Algorithm",
    "ChannelSettings",
    "Compat",
    "Compression",
    "DataFormat",
    "DeliverFrom",
    "DeliveryOptions",
    "DeliverySettings",
    "EndpointRole",
    "EndpointSettings",
    "OnFull",
    "OnNoSubs",
    "OutgoingSettings",
    "Remote",
    "SecurityKind",
    "SecuritySettings",
    "SubscriptionSettings",
    "TopicSettings",
    "WireFormat",
]
