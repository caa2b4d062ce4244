"""The shapes in which the results of services come out of a gateway, across the releases of Zato."""

from __future__ import annotations

import ast
from typing import Any

__all__ = ["gateway_result"]

_LONGEST_LITERAL = 64 * 1024


def gateway_result(data: Any) -> Any:
    """Return the result itself, whichever of the four shapes it came in.

    These are the result, `{"zato_gateway_response": RESULT}`, `{"response": RESULT}`, and both around it.
    """
    return _with_sub_data(_unwrapped(data))


def _unwrapped(data: Any) -> Any:
    if isinstance(data, dict) and len(data) == 1:
        if "zato_gateway_response" in data:
            return data["zato_gateway_response"]
        if "response" in data:
            inner = data["response"]
            if isinstance(inner, dict) and len(inner) == 1 and "zato_gateway_response" in inner:
                return inner["zato_gateway_response"]
            return inner
    return data


def _with_sub_data(result: Any) -> Any:
    """Make a list of what subscribing to several topics gives: Zato sends the Python repr of one."""
    if not isinstance(result, dict) or list(result) != ["sub_data"]:
        return result
    text = result["sub_data"]
    if not isinstance(text, str) or len(text) > _LONGEST_LITERAL:
        return result
    try:
        subscriptions = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return result
    is_list = isinstance(subscriptions, list) and all(isinstance(one, dict) for one in subscriptions)
    return {"sub_data": subscriptions} if is_list else result
