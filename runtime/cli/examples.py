"""An example for each command, shown below its help. Commands that have commands of their own have theirs there."""

from __future__ import annotations

__all__ = ["EXAMPLES", "epilogue_of"]

EXAMPLES = {
    "run": ("isthmus run", "isthmus run --cluster emea"),
    "new": ("isthmus new shop", "isthmus new shop --port 48000"),
    "check": ("isthmus check", "isthmus check --cluster emea --json"),
    "schema": ("isthmus schema > clusters.schema.json",),
    "add": (
        "isthmus add emea outgoing APAC address=ws://127.0.0.1:47044/ subscribe=/order/new on_message=hooks.order",
        "isthmus add emea security apac username=apac password='$APAC_PASSWORD'",
    ),
    "set": (
        "isthmus set emea channels.gateway.max_sessions 500",
        "isthmus set emea channels.gateway.services_allowed 'demo.*' 'orders.**'",
        "isthmus set emea topics./customer/new.guaranteed true",
    ),
    "remove": ("isthmus remove emea outgoing APAC", "isthmus remove emea channels.gateway.max_sessions"),
    "peer": (
        "isthmus peer emea gateway",
        "isthmus peer emea gateway --for zato",
        "isthmus peer emea gateway --host emea.example.com --name latam",
    ),
    "plan": ("isthmus plan", "isthmus plan --cluster emea --json"),
    "apply": ("isthmus apply", "isthmus apply --cluster emea --yes"),
    "status": ("isthmus status emea",),
    "invoke": ("""isthmus invoke emea demo.echo '{"name": "Ada"}'""", "isthmus invoke apac demo.echo 1 --via Emea"),
    "publish": ("isthmus publish emea /customer/new Ada",),
    "subscribe": ("isthmus subscribe emea /customer/new",),
    "message-log": ("isthmus message-log emea", "isthmus message-log emea ws.fb9415dd5c9f0e7c21d3a84b"),
}


def epilogue_of(command: str) -> str | None:
    """Return what stands below the help of a command: its examples, if it has any."""
    examples = EXAMPLES.get(command, ())
    head = "Examples:" if len(examples) > 1 else "Example:"
    return "  \n".join([head, *examples]) if examples else None  # line breaks of Markdown
