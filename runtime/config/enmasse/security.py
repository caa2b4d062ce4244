"""Security definitions of an export; their passwords become references to secrets, and are never repeated."""

from __future__ import annotations

import re
from typing import Any

from attrs import frozen

from runtime.config.enmasse.report import Item, Report
from runtime.config.slug import slug

__all__ = ["Definition", "definition_of"]

_ENVIRONMENT = re.compile(r"^Zato_?Enmasse_?Env\.(\w+)$", re.IGNORECASE)
_VARIABLE = re.compile(r"^\$\w+$")
_NO_KEY = (
    "Zato gave out tokens for it, and signed them with a secret of its servers that no export has; the key is what "
    "tokens are signed with now, 32 bytes or more"
)


@frozen
class Definition:
    """A security definition as clusters.toml has it, and what an outgoing connection logs in with."""

    table: dict[str, Any]
    is_active: bool = True
    login: dict[str, str] | None = None


def definition_of(item: Item, report: Report, *, is_local: bool) -> Definition | None:
    """Return what a definition says; of types that have no place it is said why they are not carried over."""
    kind = item.text("type", "sec_type") or "basic_auth"
    is_active = item.flag("is_active") is not False

    def secret(what: str, *given: str) -> str:
        taken = set(report.secrets.values())
        found = _reference(item.text(*given)) or _new_secret(item.name, what, taken, is_local=is_local)
        report.secrets[item.name] = found
        return found

    username = item.text("username")
    named = {} if username is None else {"username": username}
    match kind:
        case "basic_auth":
            login = {"username": username or item.name, "password": secret("PASSWORD", "password", "secret")}
            return Definition(login, is_active, login)
        case "apikey":
            header = item.text("header", "header_name")
            more = {} if header is None else {"header": header}
            return Definition(
                {"type": "apikey", **named, "key": secret("KEY", "password", "secret"), **more}, is_active
            )
        case "jwt":
            item.leave("password", _NO_KEY)
            item.leave_if_said("ttl", "a token has an end of its own")
            return Definition({"type": "jwt", **named, "key": secret("KEY")}, is_active)
    item.leave("", f"{kind}: WebSocket channels of Zato did not take it")
    return None


def _reference(given: str | None) -> str | None:
    """Return a reference to a secret that stands in the export as one."""
    environment = _ENVIRONMENT.match(given or "")
    if environment is not None:
        return f"${environment[1]}"
    return given if given is not None and _VARIABLE.match(given) else None


def _new_secret(name: str, what: str, taken: set[str], *, is_local: bool) -> str:
    """Return a reference of its own for a definition, also where names differ in nothing that a variable can say."""
    for number in range(1, len(taken) + 2):
        more = "" if number == 1 else str(number)
        found = f"local:{slug(name, '-')}{more}" if is_local else f"${slug(name, '_').upper()}_{what}{more}"
        if found not in taken:
            return found
    raise AssertionError(name)  # there are more numbers than secrets
