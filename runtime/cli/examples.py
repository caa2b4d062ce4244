"""An example for each command, shown below its help."""

from __future__ import annotations

__all__ = ["EXAMPLES", "shown_below"]

EXAMPLES = {
    "run": ("isthmus run", "isthmus run --cluster emea"),
    "new": ("isthmus new shop", "isthmus new shop --port 48000"),
    "check": ("isthmus check", "isthmus check --cluster emea --json"),
    "schema": ("isthmus schema > clusters.schema.json",),
    "hash-password": ("isthmus hash-password", "isthmus hash-password < password.txt"),
    "add": (
        "isthmus add emea outgoing APAC address=ws://127.0.0.1:47044/",
        "isthmus add emea security apac username=apac password='$APAC_PASSWORD'",
        "isthmus add latam",
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
    "import": ("isthmus import enmasse export.yaml --cluster emea",),
    "import enmasse": ("isthmus import enmasse export.yaml --cluster emea",),
    "status": ("isthmus status", "isthmus status emea --json", "isthmus status --watch"),
    "invoke": ("""isthmus invoke emea demo.echo '{"name": "Ada"}'""", "isthmus invoke apac demo.echo 1 --via Emea"),
    "publish": (
        "isthmus publish emea /customer/new Ada",
        "isthmus publish emea /order/new --file orders.jsonl --as-json --msg-id monday",
        "tail -f app.log | isthmus publish emea /logs",
    ),
    "subscribe": (
        "isthmus subscribe emea /customer/new",
        "isthmus subscribe emea /customer/new --from 10m --json",
        "isthmus subscribe emea /customer/new --from beginning --count 1",
    ),
    "connect": (
        "isthmus connect ws://127.0.0.1:47043/zato.wsx.gateway --user apac",
        "isthmus connect wss://example.com/api --user apac --password file:pw.txt",
        "echo 'invoke demo.echo 1' | isthmus connect ws://127.0.0.1:47043/ --json",
    ),
    "topics": ("isthmus topics emea",),
    "subscriptions": ("isthmus subscriptions emea",),
    "subscriptions set": ("isthmus subscriptions set emea SUB_KEY active_status=disabled",),
    "subscriptions end": ("isthmus subscriptions end emea SUB_KEY",),
    "messages": ("isthmus messages list emea /customer/new",),
    "messages list": ("isthmus messages list emea /customer/new --after 1000 --limit 20",),
    "messages show": ("isthmus messages show emea /customer/new 17",),
    "messages edit": (
        "isthmus messages edit emea /customer/new 17 --priority 9",
        """isthmus messages edit emea /customer/new 17 --data '{"id": 7}' --as-json""",
    ),
    "messages delete": (
        "isthmus messages delete emea /customer/new 17 18",
        "isthmus messages delete emea /customer/new --all",
    ),
    "messages clear": ("isthmus messages clear emea SUB_KEY",),
    "messages replay": ("isthmus messages replay emea /dead-letter/emea/customer/new --all",),
    "message-log": ("isthmus message-log emea", "isthmus message-log emea ws.fb9415dd5c9f0e7c21d3a84b"),
    "sessions": ("isthmus sessions emea --channel gateway",),
    "sessions close": ("isthmus sessions close emea ws.fb9415dd5c9f0e7c21d3a84b",),
    "sessions invoke": ("""isthmus sessions invoke emea ws.fb9415dd5c9f0e7c21d3a84b '{"id": 7}'""",),
    "store": ("isthmus store backup emea /backups/emea-monday.db",),
    "store backup": ("isthmus store backup emea /backups/emea-monday.db --overwrite",),
    "store verify": ("isthmus store verify emea", "isthmus store verify emea --file /backups/emea-monday.db"),
    "store restore": ("isthmus store restore emea /backups/emea-monday.db",),
    "store salvage": ("isthmus store salvage emea",),
    "completion": (
        "isthmus completion bash > ~/.local/share/bash-completion/completions/isthmus",
        "isthmus completion zsh > ~/.zfunc/_isthmus",
        "isthmus completion fish > ~/.config/fish/completions/isthmus.fish",
    ),
}
"""By the words of the command; capitals stand for what `isthmus status` and the like show."""


def shown_below(command: str) -> str:
    """Return what stands below the help of a command: its examples."""
    examples = EXAMPLES[command]
    head = "Examples:" if len(examples) > 1 else "Example:"
    return "  \n".join([head, *examples])  # line breaks of Markdown
