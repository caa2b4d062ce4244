"""How a process tells whoever manages it, systemd or the launcher, that it is ready, alive, or about to end."""

from runtime.notify.gathered import Gathered
from runtime.notify.notifier import Notifier
from runtime.notify.reporting import Reporting

__all__ = ["Gathered", "Notifier", "Reporting"]
