"""What the other team puts into its clusters.toml, or into a Zato enmasse file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tomlkit
import yaml

from actors.settings import OutgoingSettings, SecurityKind, SecuritySettings, WireFormat
from runtime.config.peer.facts import NoSuchPeer, PeerFacts
from runtime.config.problems import key_text, path_text

__all__ = ["enmasse_block", "toml_block"]

YOUR_SERVICE = "your.service"

_UNSET = OutgoingSettings("")


def toml_block(facts: PeerFacts, peer: str) -> str:
    """Return the table of an outgoing connection.

    Args:
        facts: The channel.
        peer: The name of the other side's cluster.
    """
    lines = [f"# To connect to channel {facts.channel!r} of cluster {facts.cluster!r}; nothing in here is secret."]
    lines += [f"# Mind: {one}." for one in facts.remarks]
    lines += [f"[{path_text(('clusters', peer, 'outgoing', facts.cluster))}]", _set("address", facts.address)]
    lines += _credentials(facts)
    if facts.settings.max_message_size != _UNSET.max_message_size:
        lines.append(_set("max_message_size", facts.settings.max_message_size))
    lines += [f"# {one[0].upper()}{one[1:]}." for one in facts.permissions]
    if facts.topics:
        service = tomlkit.item(YOUR_SERVICE).as_string()
        lines += [
            "# To receive messages name one of your services, and take away the signs for comments:",
            f"# {_set('subscribe', list(facts.topics))}",
            f"# on_message = {service}",
        ]
    return "\n".join(lines) + "\n"


def _credentials(facts: PeerFacts) -> Iterator[str]:
    """Yield the keys that say who dials, and how TLS is checked."""
    secret = f"${facts.variable}"
    if facts.security is not None and facts.security.secrets:
        yield f"# {facts.whose_secret}; name a variable of the environment or a file."
    match facts.security:
        case SecuritySettings(type=SecurityKind.BASIC, username=username):
            yield _set("username", username)
            yield _set("password", secret)
        case SecuritySettings(type=SecurityKind.BEARER):
            yield _set("bearer_token", secret)
        case SecuritySettings(type=SecurityKind.API_KEY, header=header):
            yield f'headers = {{ {key_text(header)} = "{secret}" }}'
        case SecuritySettings(type=SecurityKind.JWT):
            yield _set("bearer_token", f"file:{facts.cluster}.jwt")  # read again at each dial, since tokens end
    if facts.needs_certificate:
        yield f"# A certificate of an authority that {facts.cluster} trusts{_certificate_name(facts)}."
        yield _set("tls_certificate", f"{facts.cluster}.pem")
        yield _set("tls_key", f"{facts.cluster}.key")
    if facts.address.startswith("wss://"):
        yield "# Where its certificate is of no authority that your system trusts, name the authority's own:"
        yield f"# {_set('tls_ca', f'{facts.cluster}-authority.pem')}"
        if facts.fingerprint:
            yield "# To take the certificate that it has now, and no other:"
            yield f"# {_set('tls_fingerprint', facts.fingerprint)}"


def _certificate_name(facts: PeerFacts) -> str:
    security = facts.security
    if security is None or security.type is not SecurityKind.CERTIFICATE:
        return ""
    names = [f"for the name {security.certificate_name}"] if security.certificate_name else []
    names += [f"with the SHA-256 {one}" for one in security.fingerprints]
    return f", {' or '.join(names)}" if names else ""


def _set(key: str, value: Any) -> str:
    return f"{key} = {tomlkit.item(value).as_string()}"


def enmasse_block(facts: PeerFacts) -> str:
    """Return the objects of an enmasse file, which Zato makes an outgoing WebSocket connection of.

    Raises:
        NoSuchPeer: Where Zato cannot connect to the channel.
    """
    if facts.settings.wire is WireFormat.NATIVE:
        msg = f"channel {facts.channel!r} speaks isthmus.1 only, which Zato does not"
        raise NoSuchPeer(msg)
    if facts.needs_certificate or facts.kind not in (None, SecurityKind.BASIC):
        what = "a certificate" if facts.needs_certificate or facts.kind is None else f"type = {facts.kind.value!r}"
        msg = f"channel {facts.channel!r} asks for {what}; Zato's connections log in with user name and password only"
        raise NoSuchPeer(msg)
    objects: dict[str, list[dict[str, Any]]] = {}
    connection: dict[str, Any] = {"name": facts.cluster, "address": facts.address, "is_zato": True}
    if facts.security is not None:
        password = f"Zato_Enmasse_Env.{facts.variable}"
        login = {"name": facts.cluster, "type": "basic_auth", "username": facts.security.username, "password": password}
        objects["security"] = [login]
        connection["security_def"] = facts.cluster
    objects["outgoing_wsx"] = [connection | {"has_auto_reconnect": True, "data_format": "json", "pool_size": 1}]
    lines = [f"# For enmasse: to connect to channel {facts.channel!r} of cluster {facts.cluster!r}."]
    lines += [f"# Mind: {one}." for one in facts.remarks]
    lines += [f"# {one[0].upper()}{one[1:]}." for one in facts.permissions]
    lines.append(yaml.safe_dump(objects, sort_keys=False, allow_unicode=True).rstrip())
    if facts.topics:
        lines += ["  # To receive messages name one of your services:", f"  # on_message_service_name: {YOUR_SERVICE}"]
        lines += ["  # subscription_list: |-", *(f"  #   {topic}" for topic in facts.topics)]
    return "\n".join(lines) + "\n"
