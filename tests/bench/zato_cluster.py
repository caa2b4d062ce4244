"""`python -m tests.bench.zato_cluster`: the command line, whose links speak Zato's format as those to Zato do.

Two clusters agree on the native format by themselves, and no setting keeps them from it; here the one that dials
does not offer it. All else is as it is.
"""

from __future__ import annotations

from runtime.cli import main
from runtime.transport import WebSocketDialer

if __name__ == "__main__":  # a worker process imports this module, too
    WebSocketDialer.__init__.__kwdefaults__["subprotocols"] = ()
    main()
