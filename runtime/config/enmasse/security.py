"""Security definitions of an export; their passwords become references to secrets, and are never repeated."""

from __future__ import annotations

import re

from attrs import frozen

from runtime.config.enmasse.report import Item, Report
from runtime.config.slug import slug

__all__ = ["Definition", "definition_of"]

_ENVIRONMENT = re.compile(r"^Zato_?Enmasse_?Env\.(\w+)$", re.IGNORECASE)
_VARIABLE = re.compile(r"^\$\w+$")


@frozen
class Definition:
    """A user name, and a reference to the password."""

    username: str
    password: str
    is_active: bool


def definition_of(item: Item, report: Report, *, is_local: bool) -> Definition | None:
    """Return what a basic-auth definition says; of others it is said why they are not carried over."""
    kind = item.text("type", "sec_type") or "basic_auth"
    if kind != "basic_auth":
        what = {"jwt": 'its tokens are made by Zato; describe your own with type = "jwt"'}.get(
            kind, "WebSocket channels of Zato did not take it"
        )
        item.leave("", f"{kind}: {what}")
        return None
    username = item.text("username") or item.name
    given = item.text("password", "secret")
    environment = _ENVIRONMENT.match(given or "")
    if environment is not None:
        password = f"${environment[1]}"
    elif given is not None and _VARIABLE.match(given):
        password = given
    else:
        password = _new_secret(item.name, set(report.secrets.values()), is_local=is_local)
    report.secrets[item.name] = password
    return Definition(username, password, item.flag("is_active") is not False)


def _new_secret(name: str, taken: set[str], *, is_local: bool) -> str:
    """Return a reference of its own for a definition, also where names differ in nothing that a variable can say."""
    for number in range(1, len(taken) + 2):
        more = "" if number == 1 else str(number)
        found = f"local:{slug(name, '-')}{more}" if is_local else f"${slug(name, '_').upper()}_PASSWORD{more}"
        if found not in taken:
            return found
    raise AssertionError(name)  # there are more numbers than secrets
