"""The cases of the Autobahn test suite, by its numbers, against a channel's listener and link.

The suite itself needs Python 2. These are its cases by a client of our own, which writes each frame by hand: a
handshake, frames with any bits, and a reader (`client.py`); cases as tables (`framing.py`, `texts.py`, `closing.py`,
`limits.py`); and what is to be said of each (`run.py`). `python -m tests.interop.rfc6455` prints the table; with
`--serve ADDRESS` it echoes there until it is interrupted, for the suite itself (`wstest -m fuzzingclient`).
"""
