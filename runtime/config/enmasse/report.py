"""What an import says of an export: what was not carried over and why, and which secrets have to be given."""

from __future__ import annotations

from typing import Any

from attrs import define, field, frozen

__all__ = ["Item", "NotCarried", "Report"]


@frozen
class NotCarried:
    """An object, or one key of it, that is not in the clusters.toml."""

    section: str
    name: str
    key: str
    reason: str


@define
class Report:
    """Collects what is said."""

    not_carried: list[NotCarried] = field(factory=list)
    secrets: dict[str, str] = field(factory=dict)  # where from, by what it is for


class Item:
    """One object of an export; it knows which of its keys were looked at.

    Args:
        section: The section it stands in.
        data: Its keys.
        report: Where to say what is not carried over.
    """

    def __init__(self, section: str, data: dict[str, Any], report: Report) -> None:
        self.section = section
        self.name = str(data.get("name") or "")
        self._data = {str(key): value for key, value in data.items()}
        self._seen = {"name"}
        self._report = report

    def take(self, *keys: str) -> Any:
        """Return the first of these keys that says something; None where none does."""
        self._seen.update(keys)
        return next((self._data[key] for key in keys if self._data.get(key) not in (None, "")), None)

    def text(self, *keys: str) -> str | None:
        """Return a text that a key says, without blanks around it."""
        value = self.take(*keys)
        return None if value is None else str(value).strip() or None

    def flag(self, *keys: str) -> bool | None:
        """Return what a key says that is true or false, however that was written."""
        value = self.take(*keys)
        if isinstance(value, str):
            return value.strip().lower() in ("true", "yes", "on", "1")
        return None if value is None else bool(value)

    def lines(self, *keys: str) -> list[str]:
        """Return the entries of a list, or of a text with one in each line, or with commas between them."""
        value = self.take(*keys)
        parts = value if isinstance(value, list) else str(value or "").replace(",", "\n").splitlines()
        return [text for one in parts if (text := str(one).strip())]

    def number(self, key: str) -> int | float | None:
        """Return a number; what is none, or below 0, is said not to be carried over."""
        value = self.take(key)
        if value is None:
            return None
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = -1.0
        if isinstance(value, bool) or not 0 <= number < float("inf"):
            self.leave(key, "expected a number that is not negative")
            return None
        return int(number) if number.is_integer() else number

    def leave(self, key: str, reason: str) -> None:
        """Say that a key is not carried over; no key stands for the whole object."""
        self._seen.add(key)
        self._report.not_carried.append(NotCarried(self.section, self.name, key, reason))

    def leave_if_said(self, key: str, reason: str) -> None:
        """Say so of a key that says something."""
        if self.take(key) is not None:
            self.leave(key, reason)

    def left_out(self, reason: str) -> dict[str, Any] | None:
        """Say that the whole object is not carried over, and return the table that it becomes: none."""
        self.leave("", reason)
        return None

    def leave_rest(self, reasons: dict[str, str]) -> None:
        """Say of every key that nobody looked at, and that says something, why it is not carried over."""
        for key, value in self._data.items():
            if key in self._seen or value in (None, "", [], {}):
                continue
            self.leave(key, reasons.get(key, "there is no such key in clusters.toml"))
