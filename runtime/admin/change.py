"""Change: an administrative service that changes something, so that each request stands in the audit log."""

from __future__ import annotations

from typing import Any, ClassVar

import trio

from actors.audit import AuditEvent, AuditResult
from actors.services.call import who_calls
from actors.services.service import Service

__all__ = ["Change"]


class Change(Service):
    """Override `change` in place of `handle`; what it raises is told to whoever asked, and to the audit log.

    `tells` names what of a request the audit log is told, `tells_after` what of a result: never what could be a secret,
    or the data of a message.
    """

    tells: ClassVar[tuple[str, ...]] = ()
    tells_after: ClassVar[tuple[str, ...]] = ()

    async def handle(self, request: dict[str, Any]) -> Any:
        """Change it, and return what `change` does."""
        try:
            result = await self.change(request)
        except trio.Cancelled:
            self._note(request, AuditResult.INTERRUPTED)
            raise
        except Exception as error:
            self._note(request, AuditResult.FAILED, reason=str(error) or type(error).__name__)
            raise
        self._note(request, AuditResult.DONE, **_chosen(result, self.tells_after))
        return result

    async def change(self, request: dict[str, Any]) -> Any:
        """Override to change something."""
        raise NotImplementedError

    def _note(self, request: dict[str, Any], result: AuditResult, **more: object) -> None:
        facts = {"service": self.actor, **_chosen(request, self.tells), **more, **who_calls(self.caller)}
        self.audit.note(AuditEvent.ADMINISTRATION, result, cid=self.cid, **facts)


def _chosen(data: object, keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: data[key] for key in keys if data.get(key) is not None} if isinstance(data, dict) else {}
