"""What docs/cli.md says beside what the commands say of themselves."""

from __future__ import annotations

HEAD = """# The command line

This page is made from the commands by `python -m tests.docs.cli_page`; `isthmus COMMAND --help` says the same.

- Every command finds `clusters.toml` where you stand, or the file of `--config`. Those that are about a cluster that
  runs reach it over a socket in its `data_dir`, which only its user can open.
- The status is 0; 1 where what was asked for failed, such as a call, or a cluster that does not run; 2 where the command
  line or the configuration is wrong. What is wrong is a sentence on stderr.
- `--json` prints what a command found for scripts, on stdout and nothing else there; the shapes are below. They may get
  further keys, and lose none.
- Tables fit the terminal: long texts end in `…`, but never what you have to type again, and columns for which there is no
  room are named. Into a pipe or a file everything is whole, a line each, without colours. `NO_COLOR` turns colours off.
- Ctrl-C ends commands that go on until then with status 0. Others end with 1, and say how far they came. Where the reader
  of a pipe goes away, as `head` does, they end, too.
- `add`, `set`, `remove` and `apply` show what they would do, and ask. Where there is no terminal to ask at, the first
  three need `--yes`, and `apply` does not ask.

For your shell to complete commands, options, and names of clusters, topics, services, sessions and subscriptions:

```
isthmus completion bash > ~/.local/share/bash-completion/completions/isthmus
isthmus completion zsh > ~/.zfunc/_isthmus      # with fpath+=~/.zfunc before compinit in ~/.zshrc
isthmus completion fish > ~/.config/fish/completions/isthmus.fish
```
"""

SHAPES = """## JSON

| command | prints |
|---|---|
| `check` | `file`, `is_ok`, `problems` and `warnings`, each with `message` and where known `file`, `line`, `key`, `path`; when it is right `clusters` (names) and `services` (how many) |
| `schema` | the JSON Schema of clusters.toml |
| `add`, `set`, `remove` | `file`, `is_changed`, `difference` (lines) |
| `plan` | `clusters`: by name its `steps`, each with `action`, `section`, `name`, `keys`, `cost`, `note`, and the `digest`; `not_running`, `not_in_file` |
| `apply` | the same, and `applied`: by cluster its `steps` with `is_taken` and `problem`, and what is `remaining` |
| `import enmasse` | `file`, `made` (names by section), `secrets`, `not_carried` (`section`, `name`, `key`, `reason`), `problems` |
| `new` | `folder`, `cluster`, `port`, `files`, `next` |
| `peer` | what is known of the channel, and the texts `isthmus`, `zato` and `client` |
| `status` | by cluster `cluster`, `pid` and `actors`, each with `kind`, `name`, `parent`, `state`, `since`, `restarts`, `last_error`, `counts`, `gauges`, `detail`, `transitions` |
| `status --watch` | a line each: `cluster`, `actor`, `at`, `state`, and where known `reason`, `attempt`, `next_attempt_at` |
| `invoke`, `sessions invoke` | the result |
| `publish` | `published`, `msg_ids`, `skipped` (by a hook), `blank` (lines), `failed` (`place`, `error`, `status`, `is_unknown`), `ended_early` (why, or empty) |
| `subscribe` | a line each: `topic`, `msg_id`, `received`, `priority`, `size`, `guaranteed`, `data` |
| `connect` | a line each: `event` is `connected` (`address`, `wire`, `peer`), `result` (`data`), `done` (`what`), `error` (`error`, `status`), `message` (`topic`, `msg_id`, `priority`, `size`, `data`) or `request` (`data`) |
| `topics` | a list: `topic`, `guaranteed`, `in_memory`, `oldest`, `subscriptions` |
| `subscriptions` | a list: `sub_key`, `topic`, `owner`, `client`, `state`, `waiting`, `in_hand`, `failed`, `oldest`, `pattern`, `options` |
| `subscriptions set` | what is set of it now |
| `subscriptions end` | `topic` |
| `messages list` | a list: `place`, `msg_id`, `received`, `priority`, `size`, `guaranteed`, `data`, and of dead letters `original_topic`, `reason` |
| `messages show`, `messages edit` | all that is known of the message, and `waits_for`: by sub_key, how |
| `messages delete`, `messages clear`, `messages replay` | `deleted`; `cleared`; `topics` |
| `message-log` | a list of sessions, or of one `messages` |
| `sessions` | a list: `pub_client_id`, `ext_client_id`, `ext_client_name`, `channel_name`, `security`, `peer_address`, `connection_time`, `wire`, `attrs`, `subscriptions` |
| `sessions close` | `closed` |
| `store backup`, `store verify`, `store restore`, `store salvage` | `path`, `version`, `size`, `topics`, `messages`, `subscriptions`, `damage`, `lost`; `aside`, where the old store is |
| `hash-password` | `hash` |

Times are UTC and end in `Z`.
"""
