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
        ('on_message = "hooks.on-message"\n', "", "messages need an on_message hook"),
        ('subscribe = ["/customer/new"]', "subscribe = []\nbackoff = {first = 9.0, longest = 1.0}", "first is 9.0"),
        ('subscribe = ["/customer/new"]', 'other_addresses = ["http://x"]', "expected ws://HOST:PORT/PATH"),
        ('publish = ["/order/**"]', 'publish = ["order/**"]', "a pattern starts with '/'"),
        ('channel = "gateway"', 'channel = "gateway"\nrole = "publisher"', "expected one of 'pub-only'"),
        (
            'channel = "gateway"',
            'channel = "gateway"\nsecurity = "apac"',
            "exactly one of channel, security and service",
        ),
        ("[clusters.apac]", '[clusters.emea.endpoints.b]\nchannel = "gateway"\n[clusters.apac]', "has an endpoint"),
        ("guaranteed = true", 'guaranteed = true\non_full = "drop"', "a guaranteed topic drops nothing"),
        ("guaranteed = true", "delivery = {delivery_batch_size = 0}", "a whole number from 1 on"),
        ("[clusters.emea.channels.gateway]", "[clusters.emea.channels.admin]", "choose another name"),
        ('security = "apac"', 'security = "apac"\ndata_format = "xml"', "channels speak 'json' only, not 'xml'"),
        ('security = "apac"', 'security = "apac"\nextra_properties = {StoreCtx = 1}', "StoreCtx: expected true or"),
        ('security = "apac"', 'security = "apac"\nextra_properties = {a = "$ISTHMUS_NOT_SET"}', "is not set"),
        ('security = "apac"', 'security = "apac"\nmax_len_messages_sent = -1', "not negative"),
        ('security = "apac"', 'security = "apac"\nhandshake_timeout = nan', "not negative, got nan"),
        ('security = "apac"', 'security = "apac"\nsequential = "yes"', "expected true or false"),
        ('security = "apac"', 'security = "apac"\ntoken_ttl = 0', "token_ttl: expected more than 0"),
        ('security = "apac"', 'security = "apac"\npings_missed_threshold = 0', "threshold: expected more than 0"),
        ('topics."/customer/new"', 'topics."customer/new"', "a topic's name starts with '/'"),
        ('subscribe = ["/customer/new"]', 'subscriptions."/a" = {delivery_max_retry = 0}', "a whole number from 1 on"),
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


def test_a_topic_s_hook_service_must_exist(tmp_path: Path) -> None:
    """A hook service that no module declares is named, with the nearest name."""
    path = tmp_path / "clusters.toml"
    path.write_text(GOOD.replace("guaranteed = true", 'guaranteed = true\nhook_service = "hooks.customers"'))
    known = ["helpers.web-sockets-gateway", "hooks.customer"]
    [problem] = check_service_names(load(path), "emea", known)
    assert "hook_service: there is no service 'hooks.customers'; did you mean 'hooks.customer'?" in problem


def test_the_hook_services_of_a_channel_and_of_a_cluster_must_exist(tmp_path: Path) -> None:
    """Both are read, and each that no module declares is named where it stands."""
    path = tmp_path / "clusters.toml"
    text = GOOD.replace("[clusters.emea]\n", '[clusters.emea]\nhook_service = "hooks.peer"\n')
    path.write_text(text.replace('security = "apac"\n', 'security = "apac"\nhook_service = "hooks.peers"\n'))
    configuration = load(path)
    emea = configuration.clusters["emea"]
    assert (emea.hook_service, emea.channels["gateway"].hook_service) == ("hooks.peer", "hooks.peers")
    known = ["helpers.web-sockets-gateway", "hooks.peers-of-emea"]
    found = [one.partition(": ")[2] for one in check_service_names(configuration, "emea", known)]
    assert [one.partition(";")[0] for one in found] == [
        "clusters.emea.hook_service: there is no service 'hooks.peer'",
        "clusters.emea.channels.gateway.hook_service: there is no service 'hooks.peers'",
    ]


def test_a_service_that_may_not_have_been_loaded_is_told_apart(tmp_path: Path) -> None:
    """Where a module failed, the sentence claims no more than is known."""
    path = tmp_path / "clusters.toml"
    path.write_text(GOOD)
    found = check_service_names(load(path), "apac", ["hooks.on-connect"], is_complete=False)
    assert len(found) == 2
    assert "on_message: there is no service 'hooks.on-message' in what could be loaded" in found[0]
    assert "on_close: there is no service 'hooks.on-close' in what could be loaded" in found[1]


def test_one_wrong_value_hides_no_other(tmp_path: Path) -> None:
    """Values of a wrong type are left out, and what remains is checked as though they had not been there."""
    text = GOOD.replace('security = "apac"', 'security = "apec"').replace('channel = "gateway"', "channel = 4")
    text = text.replace('remote = "cluster"', "remote = 5").replace("guaranteed = true", 'guaranteed = "yes"')
    text = text.replace('username = "apac"\n', "username = 1\n").replace('publish = ["/order/**"]', "publish = [1]")
    found = [one.partition(": ")[2] for one in problems_of(text, tmp_path)]
    assert found == [
        "clusters.emea.security.apac.username: expected text, got 1",
        "clusters.emea.channels.gateway.security: there is no security definition 'apec'; did you mean 'apac'?",
        "clusters.emea.endpoints.apac.channel: expected text, got 4",
        "clusters.emea.endpoints.apac.publish[0]: expected text, got 1",
        "clusters.emea.topics.\"/customer/new\".guaranteed: expected true or false, got 'yes'",
        "clusters.apac.outgoing.\"My WSX Outconn\".remote: expected one of 'cluster', 'websocket', got 5",
        'clusters.apac.outgoing."My WSX Outconn".username: expected text, got 1',
    ]


def test_tables_that_are_none_are_named(tmp_path: Path) -> None:
    """A value where a table belongs is one problem, wherever it stands."""
    text = "[clusters]\napac = 1\n[clusters.emea]\nchannels = 2\n[clusters.emea.topics]\n'/x' = 3\n"
    assert problems_of(text, tmp_path) == [
        "2: clusters.apac: expected a table, got 1",
        "4: clusters.emea.channels: expected a table, got 2",
        '6: clusters.emea.topics."/x": expected a table, got 3',
    ]


def test_an_empty_secret_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable or file without content would let in whoever gives no password."""
    monkeypatch.setenv("ISTHMUS_TEST_EMPTY", "")
    (tmp_path / "empty").write_text("\n")
    for reference in ("$ISTHMUS_TEST_EMPTY", "file:empty"):
        found = problems_of(GOOD.replace("local:emea-apac", reference), tmp_path)
        assert len(found) == 2
        assert all(one.endswith(f"password: the secret '{reference}' is empty") for one in found)


def test_secrets_are_looked_for_at_any_depth_of_config(tmp_path: Path) -> None:
    """`[clusters.C.config]` holds any values, and those that name a secret are checked like a password."""
    text = '[clusters.emea.config]\nplain = "text"\nprice = "$$5"\nkeys = { a = ["$ISTHMUS_TEST_NOT_SET"] }\n'
    [found] = problems_of(text, tmp_path)
    assert found.startswith("4: clusters.emea.config.keys.a: the secret '$ISTHMUS_TEST_NOT_SET' cannot be read")
    path = tmp_path / "clusters.toml"
    path.write_text(text.replace("$ISTHMUS_TEST_NOT_SET", "local:key"))
    config = load(path).clusters["emea"].config
    assert (config["plain"], config["price"]) == ("text", "$5")
    assert config["keys"]["a"][0].reveal() == (tmp_path / ".isthmus" / "secrets" / "key").read_text()


def test_only_what_is_started_needs_its_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that runs one of the clusters has that one's secrets only."""
    monkeypatch.delenv("ISTHMUS_TEST_NOT_SET", raising=False)
    path = tmp_path / "clusters.toml"
    at = GOOD.index("[clusters.apac]")
    path.write_text(GOOD[:at] + GOOD[at:].replace("local:emea-apac", "$ISTHMUS_TEST_NOT_SET"))
    assert load(path, ["emea"])
    with pytest.raises(ConfigurationError, match="ISTHMUS_TEST_NOT_SET is not set"):
        load(path, ["apac"])


WEBSOCKET = """
[clusters.apac]
[clusters.apac.outgoing.Feed]
address = "ws://feed.example:8080/v1?key=hidden"
remote = "websocket"
"""


def test_a_connection_to_any_websocket_server_has_its_own_keys(tmp_path: Path) -> None:
    """Each is read; headers may be in the open or secrets."""
    path = tmp_path / "clusters.toml"
    keys = """
subprotocols = ["a.1", "b.2"]
bearer_token = "local:token"
data_format = "json"
socket_read_timeout = 60
socket_write_timeout = 5
headers = { X-Key = "local:key", X-Plain = "as it is" }
"""
    path.write_text(WEBSOCKET + keys)
    outgoing = load(path).clusters["apac"].outgoing["Feed"]
    assert outgoing.subprotocols == ("a.1", "b.2")
    assert (outgoing.socket_read_timeout, outgoing.socket_write_timeout) == (60.0, 5.0)
    assert outgoing.headers["X-Plain"] == "as it is"
    assert len(outgoing.headers["X-Key"].reveal()) == 64
    assert "hidden" not in "".join(problems_of(WEBSOCKET.replace("ws://", "http://"), tmp_path))


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ('subscribe = ["/a"]', "subscribe: only a connection with remote = 'cluster' has this, not 'websocket'"),
        ('on_subscribe = "a.b"', "on_subscribe: only a connection with remote = 'cluster' has this"),
        ('wire = "zato"', "wire: only a connection with remote = 'cluster' has this"),
        ('remote = "cluster"\nwire = "zatto"', "wire: expected one of 'auto', 'isthmus.1', 'zato', got 'zatto'"),
        ('attrs = {a = "1"}', "attrs: only a connection with remote = 'cluster' has this"),
        ('remote = "cluster"\nsubprotocols = ["a"]', "subprotocols: only a connection with remote = 'websocket'"),
        ('remote = "cluster"\nattrs = {a = "x;y"}', "attrs.a: an attribute has neither ';', '#'"),
        ('remote = "cluster"\nattrs = {"a=b" = "x"}', 'attrs."a=b": an attribute has neither'),
        ('remote = "cluster"\nattrs = {a = 1.5}', "attrs.a: expected text, a whole number, or true or false, got 1.5"),
        (
            'remote = "cluster"\nattrs = {a = "$NAME"}',
            "attrs.a: expected text, a whole number, or true or false, got ***",
        ),
        ('headers = {"X Y" = "b"}', "cannot be the name of a header"),
        ('headers = {Host = "b"}', "headers.Host: the upgrade sets this header itself"),
        ('headers = {Sec-WebSocket-Key = "b"}', "the upgrade sets this header itself"),
        ('headers = {a = "b", A = "b"}', "headers.A: the header is given twice"),
        ('headers = {a = "b\\nc"}', "headers.a: expected text that a header can say, or a secret"),
        ("headers = {a = 7}", "headers.a: expected text that a header can say, or a secret, got a whole number"),
        ('headers = {a = "$ISTHMUS_TEST_NOT_SET"}', "headers.a: the secret '$ISTHMUS_TEST_NOT_SET' cannot be read"),
        ('bearer_token = "in the open"', 'bearer_token: expected "$NAME"'),
        ('bearer_token = "$ISTHMUS_TEST_NOT_SET"', "bearer_token: the secret '$ISTHMUS_TEST_NOT_SET' cannot be read"),
        (
            'bearer_token = "local:a"\nheaders = {authorization = "x"}',
            "Feed: one of these says who dials, not several: bearer_token, a header Authorization",
        ),
        (
            'username = "a"\npassword = "local:a"\nbearer_token = "local:b"',
            "not several: username and password, bearer",
        ),
        ('subprotocols = ["a b"]', "subprotocols: 'a b' cannot be the name of a sub-protocol"),
        ('subprotocols = ["isthmus.1"]', "'isthmus.1' is what clusters speak; expected remote = 'cluster'"),
        ('subprotocols = ["a", "a"]', "subprotocols: a sub-protocol is named twice"),
        ('data_format = "xml"', "data_format: expected one of 'json', got 'xml'"),
        ("socket_read_timeout = 10", "socket_read_timeout: expected more than ping_interval, 10 s"),
        ("socket_write_timeout = 0", "socket_write_timeout: expected more than 0 seconds"),
    ],
)
def test_what_makes_no_sense_for_a_remote_is_said(tmp_path: Path, keys: str, expected: str) -> None:
    """Keys of the other kind of remote, and what an upgrade or a session cannot say, are errors by name."""
    text = WEBSOCKET.replace('remote = "websocket"\n', "") if "remote =" in keys else WEBSOCKET
    [problem] = problems_of(text + keys + "\n", tmp_path)
    assert expected in problem


def test_a_service_that_lists_topics_must_exist_and_needs_someone_who_receives(tmp_path: Path) -> None:
    """on_subscribe is a service, and as with listed topics there must be an on_message."""
    path = tmp_path / "clusters.toml"
    named = WEBSOCKET.replace("websocket", "cluster") + 'on_subscribe = "a.lister"\n'
    assert "on_subscribe: messages need an on_message hook" in problems_of(named, tmp_path)[0]
    path.write_text(named + 'on_message = "a.receiver"\n')
    [problem] = check_service_names(load(path), "apac", ["a.receiver", "a.listener"])
    assert "on_subscribe: there is no service 'a.lister'; did you mean 'a.listener'?" in problem
