"""What a service may set of a topic that it makes, under our names and under Zato's."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import attrs

from actors.errors import BadInput
from actors.settings import DeliverySettings, OnFull, OnNoSubs, TopicSettings
from actors.topics.subscribing import checked_option, delivery_settings, subscription_options

__all__ = ["topic_settings"]

_KINDS = {one.name: type(one.default) for one in attrs.fields(TopicSettings) if one.name != "delivery"}
_KINDS["hook_service"] = str
_DELIVERY = {one.name for one in attrs.fields(DeliverySettings)}
_OURS = {
    "has_gd": "guaranteed",
    "is_active": "active",
    "hook_service_name": "hook_service",
}
"""Zato's names of what has another one here."""


def topic_settings(options: Mapping[str, Any]) -> TopicSettings:
    """Return what a topic is to be set to; None is as if not given.

    Raises:
        BadInput: Naming the option and what was expected.
    """
    given: dict[str, Any] = {}
    delivery: dict[str, Any] = {}
    for name, value in options.items():
        ours = _OURS.get(name, name)
        if value is None:
            continue
        if name == "accept_on_no_sub":
            is_accepted = checked_option(name, bool, value)
            given["on_no_subs"] = OnNoSubs.ACCEPT if is_accepted else OnNoSubs.DROP
        elif ours in _KINDS:
            kind = _KINDS[ours]
            checked = checked_option(name, kind, value)
            given[ours] = kind(checked) if issubclass(kind, Enum) else checked
        elif name in _DELIVERY:
            delivery[name] = value
        else:
            known = sorted({*_KINDS, *_OURS, *_DELIVERY, "accept_on_no_sub"})
            msg = f"unknown topic option {name!r}; there are {', '.join(known)}"
            raise BadInput(msg)
    if given.get("guaranteed") and given.get("on_full") is OnFull.DROP:
        msg = "on_full: a guaranteed topic drops nothing; expected 'dead_letter' or 'reject'"
        raise BadInput(msg)
    return TopicSettings(**given, delivery=delivery_settings(DeliverySettings(), subscription_options(delivery)))
