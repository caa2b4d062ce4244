"""clusters.toml: everything that is wrong is found at once, with file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.errors import ConfigurationError
from runtime.config import check_service_names, load

GOOD = (Path(__file__).parents[3] / "clusters.toml").read_text()


def problems_of(text: str, folder: Path) -> list[str]:
    path = folder / "clusters.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]


def test_the_sample_is_right(tmp_path: Path) -> None:
    """The sample loads, and its local secret is made at first use, for its owner only."""
    path = tmp_path / "clusters.toml"
    path.write_text(GOOD)
    configuration = load(path)
    assert list(configuration.clusters) == ["emea", "apac"]
    secret = tmp_path / ".isthmus" / "secrets" / "emea-apac"
    assert secret.stat().st_mode & 0o777 == 0o600
    password = configuration.clusters["apac"].outgoing["My WSX Outconn"].password
    assert password is not None
    assert password.reveal() == secret.read_text()
    assert secret.read_text() not in repr(configuration)


def test_all_problems_come_at_once_with_their_lines(tmp_path: Path) -> None:
    """Unknown keys, wrong types and missing keys are each named with their line and the nearest name."""
    text = GOOD.replace("guaranteed = true", 'guarantied = true\nactive = "yes"').replace('security = "apac"\n', "")
    lines = text.splitlines()
    found = problems_of(text, tmp_path)
    at = lines.index("guarantied = true") + 1
    topic = 'clusters.emea.topics."/customer/new"'
    assert f"{at}: {topic}.guarantied: unknown key; did you mean 'guaranteed'?" in found
    assert f"{at + 1}: {topic}.active: expected true or false, got 'yes'" in found
    channel = lines.index("[clusters.emea.channels.gateway]") + 1
    assert any(one.startswith(f"{channel}: clusters.emea.channels.gateway: the key 'security'") for one in found)
    assert len(found) == 3


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('security = "apac"', 'security = "apec"', "there is no security definition 'apec'; did you mean 'apac'?"),
        ("ws://127.0.0.1:47043", "http://127.0.0.1:47043", "expected ws://HOST:PORT/PATH"),
        ("ws://127.0.0.1:47043", "ws://0.0.0.0:47043", "plain_text = true"),
        ('channel = "gateway"', 'channel = "gatevay"', "did you mean 'gateway'?"),
        ("local:emea-apac", "$ISTHMUS_TEST_NOT_SET", "ISTHMUS_TEST_NOT_SET is not set"),
        ("local:emea-apac", "file:no-such-file", "No such file"),
        ("local:emea-apac", "in the open", "secrets are never written in the open"),
    ],
)
def test_a_wrong_value_is_named(old: str, new: str, expected: str, tmp_path: Path) -> None:
    """Each kind of wrong value says what was expected, and never repeats a secret."""
    found = problems_of(GOOD.replace(old, new), tmp_path)
    assert any(expected in one for one in found)
    assert not any("in the open'" in one for one in found)


def test_two_channels_cannot_share_an_address(tmp_path: Path) -> None:
    """A duplicate address names the other channel."""
    section = GOOD[GOOD.index("[clusters.emea.channels.gateway]") : GOOD.index("[clusters.emea.endpoints")]
    found = problems_of(GOOD + "\n" + section.replace("channels.gateway", "channels.other"), tmp_path)
    assert any("clusters.emea.channels.other.address: port 47043 is used by" in one for one in found)


def test_a_missing_file_and_text_that_is_no_toml_are_said_plainly(tmp_path: Path) -> None:
    """One sentence each."""
    with pytest.raises(ConfigurationError, match="No such file"):
        load(tmp_path / "missing.toml")
    assert "not TOML" in problems_of("[clusters\n", tmp_path)[0]
    assert "there are no clusters" in problems_of("", tmp_path)[0]


def test_a_dangling_service_is_named(tmp_path: Path) -> None:
    """Hooks and channels name services that exist."""
    path = tmp_path / "clusters.toml"
    path.write_text(GOOD)
    known = ["hooks.on-connect", "hooks.on-message", "hooks.on-closed"]
    [problem] = check_service_names(load(path), "apac", known)
    assert "on_close: there is no service 'hooks.on-close'; did you mean 'hooks.on-closed'?" in problem
