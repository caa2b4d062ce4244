"""Messages that are published together: a publisher's list, and what is made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from actors.errors import BadInput
from actors.messages import Publication
from actors.topics.publication import Publish

__all__ = ["listed", "publishes_of"]


def listed(data: object, data_list: Sequence[Mapping[str, Any]], options: dict[str, Any]) -> list[Publication]:
    """Return the messages of a list, each with its options.

    Args:
        data: What stands instead of a list, which must be nothing.
        data_list: Dicts, each with `data` and options of its own.
        options: What holds for all that say nothing else.

    Raises:
        BadInput: When there is no such list.
    """
    if data != "" or not isinstance(data_list, Sequence) or isinstance(data_list, str):
        msg = "data_list: expected a list of dicts instead of data"
        raise BadInput(msg)
    messages = []
    for number, one in enumerate(data_list, start=1):
        if not isinstance(one, Mapping) or not all(isinstance(key, str) for key in one):
            msg = f"data_list: element {number}: expected a dict with data and options, got {one!r}"
            raise BadInput(msg)
        own = {key: value for key, value in one.items() if key != "data"}
        messages.append(Publication(one.get("data"), {**options, **own}))
    return messages


def publishes_of(
    messages: Sequence[Publication],
    *,
    is_list: bool,
    cid: str = "",
    publisher: str = "",
    pattern: str = "",
    trace: str = "",
) -> tuple[Publish, ...]:
    """Check messages; see `Publish.of`.

    Raises:
        BadInput: Naming the option, what was expected, and of a list the element.
    """
    found = []
    for number, one in enumerate(messages, start=1):
        try:
            found.append(Publish.of(one.data, one.options, cid=cid, publisher=publisher, pattern=pattern, trace=trace))
        except BadInput as error:
            if not is_list:
                raise
            msg = f"data_list: element {number}: {error}"
            raise BadInput(msg) from None
    return tuple(found)
