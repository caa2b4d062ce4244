"""Reads an export as plain data: YAML or JSON, of bounded size, in which nothing is made into objects."""

from __future__ import annotations

from typing import Any

import yaml

__all__ = ["MAX_BYTES", "MAX_VALUES", "NotAnExport", "read_export"]

MAX_BYTES = 10 * 1024 * 1024
"""Bytes of a file."""

MAX_VALUES = 500_000
"""Values in it, where each alias counts as all that it stands for."""


class NotAnExport(Exception):
    """A file that is no export; the message is a sentence."""


def read_export(content: bytes) -> dict[str, list[dict[str, Any]]]:
    """Return the objects of each section.

    Raises:
        NotAnExport: When it is too big, no YAML, has tags of Python or the like, or is of another shape.
    """
    if len(content) > MAX_BYTES:
        msg = f"it has {len(content)} bytes, and an export has {MAX_BYTES} at most"
        raise NotAnExport(msg)
    sections = _data(content)
    if not isinstance(sections, dict):
        msg = "expected sections such as web_socket, each with a list of objects"
        raise NotAnExport(msg)
    found: dict[str, list[dict[str, Any]]] = {}
    for name, objects in sections.items():
        if not isinstance(objects, list | None) or not all(isinstance(one, dict) for one in objects or ()):
            msg = f"section {name!r}: expected a list of objects"
            raise NotAnExport(msg)
        found[str(name)] = objects or []
    return found


def _data(content: bytes) -> Any:
    try:
        loader = yaml.SafeLoader(content)
        node = loader.get_single_node()
        if node is None:
            return {}
        _bound(node)  # before merge keys are carried out, which copy what aliases stand for
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        place = "" if error.problem_mark is None else f"line {error.problem_mark.line + 1}: "
        msg = f"{place}{error.problem or 'not YAML'}"
        raise NotAnExport(msg) from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        msg = f"not YAML: {type(error).__name__}"
        raise NotAnExport(msg) from None
    except RecursionError:
        msg = "its values are nested too deep"
        raise NotAnExport(msg) from None


def _bound(node: yaml.Node) -> None:
    waiting, count = [node], 0
    while waiting:
        one = waiting.pop()
        count += 1
        if count > MAX_VALUES:
            msg = f"it has more than {MAX_VALUES} values, or aliases that stand for so many"
            raise NotAnExport(msg)
        if isinstance(one, yaml.MappingNode):
            waiting += [part for pair in one.value for part in pair]
        elif isinstance(one, yaml.SequenceNode):
            waiting += one.value
