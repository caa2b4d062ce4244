"""docs/cli.md against the commands."""

from __future__ import annotations

from tests.docs.cli_page import PAGE, page


def test_the_page_is_made_from_the_commands_as_they_are() -> None:
    """Run `python -m tests.docs.cli_page` after a change."""
    assert PAGE.read_text() == page()
