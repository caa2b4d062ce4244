"""`isthmus peer`: what the other team needs in order to connect to a channel, without the secret."""

from __future__ import annotations

import json as json_library
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from attrs import asdict
from cyclopts import Parameter

from runtime.cli.failure import Failed
from runtime.cli.options import DEFAULT_CONFIG, Channel, Cluster, Json
from runtime.cli.reach import settings_of
from runtime.cli.tables import print_json
from runtime.config.peer import NoSuchPeer, PeerFacts, client_steps, enmasse_block, facts_of, toml_block

__all__ = ["peer"]

T = TypeVar("T")


def peer(
    cluster: Cluster,
    channel: Channel,
    /,
    *,
    for_: Annotated[Literal["isthmus", "zato", "client"], Parameter(name="--for")] = "isthmus",
    security: str | None = None,
    name: str | None = None,
    host: str | None = None,
    json: Json = False,
    config: Path = DEFAULT_CONFIG,
) -> None:
    """Print what the other team puts into its clusters.toml to connect to a channel, without the secret.

    Args:
        cluster: The cluster that it connects to.
        channel: The channel of that.
        for_: Who connects: a cluster of Isthmus, one of Zato by way of enmasse, or a client of any other kind.
        security: The security definition that it logs in with, where the channel has several.
        name: The name of its cluster; else that of the security definition.
        host: The host that it dials; else what the channel's address says, or the name of this machine.
        json: Print as JSON what is known of the channel, and all of these texts.
        config: The file that describes the clusters.
    """
    try:
        facts = facts_of(cluster, settings_of(config, cluster), channel, definition=security, host=host)
    except NoSuchPeer as error:
        raise Failed(str(error), status=2) from None
    name = name or facts.peer
    if json:
        print_json(_report(facts, name))
        return
    try:
        text = {
            "isthmus": lambda: toml_block(facts, name),
            "zato": lambda: enmasse_block(facts),
            "client": lambda: "\n".join(_client_lines(facts)) + "\n",
        }[for_]()
    except NoSuchPeer as error:
        raise Failed(str(error)) from None
    print(text, end="")  # noqa: T201


def _client_lines(facts: PeerFacts) -> Iterator[str]:
    steps = client_steps(facts)
    yield f"Connect to {facts.address} by WebSocket, without a sub-protocol. A frame is one JSON object."
    yield from (f"Mind: {one}." for one in facts.remarks)
    yield from (f"{one[0].upper()}{one[1:]}." for one in facts.permissions)
    if facts.needs_certificate:
        yield "TLS asks for a certificate of your own."
    if "secret" in steps.log_in["meta"]:
        yield f"{facts.whose_secret}. It stands in the place of SECRET, or comes with the upgrade: {steps.header}"
    yield "\nSend first, and keep TOKEN, data.token of the answer; an answer has your id in meta.in_reply_to:"
    yield json_library.dumps(steps.log_in)
    yield "\nThen calls, each with an id of its own:"
    yield json_library.dumps(steps.call)
    if not facts.has_gateway:
        yield f"data is the input of {facts.settings.service}."
    if steps.subscribe is not None:
        yield "\nTo receive messages, each delivery of which is to be answered:"
        yield json_library.dumps(steps.subscribe)
    yield "\nAll of the format is in docs/protocol.md, part one; examples/javascript has a client."


def _report(facts: PeerFacts, name: str) -> dict[str, Any]:
    kind = facts.kind
    return {
        "cluster": facts.cluster,
        "channel": facts.channel,
        "address": facts.address,
        "remarks": facts.remarks,
        "security": facts.definition or None,
        "type": None if kind is None else kind.value,
        "username": facts.security.username if facts.security else None,
        "needs_certificate": facts.needs_certificate,
        "fingerprint": facts.fingerprint or None,
        "service": facts.settings.service,
        "publish": facts.endpoint.publish,
        "subscribe": facts.endpoint.subscribe,
        "topics": facts.topics,
        "isthmus": toml_block(facts, name),
        "zato": _or_none(lambda: enmasse_block(facts)),
        "client": _or_none(lambda: asdict(client_steps(facts))),
    }


def _or_none(make: Callable[[], T]) -> T | None:
    try:
        return make()
    except NoSuchPeer:
        return None
