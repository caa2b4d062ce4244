"""The limits that docs/configuration.md lists, and the test that shows each of them to hold.

A limit that is a key of clusters.toml is found by its name. Whoever adds one names its test in `SHOWN_BY`.
"""

from __future__ import annotations

import re

from runtime.config.reference import Key, Section

_NAMES = re.compile(r"max_.*|limit_.*|.*_timeout|.*_threshold|token_ttl|new_token_wait_time|publish_dedup_window")
_NAMES_TOO = ("timeout", "delivery_max_retry", "delivery_batch_size")

SHOWN_BY = {
    "audit.max_size": "runtime/observe/test_audit_file.py::test_full_files_are_put_aside_and_so_many_are_kept",
    "log.max_repeats": "runtime/observe/test_log_settings.py::test_what_repeats_is_counted",
    "shutdown_timeout": "runtime/test_bounds.py::test_a_cluster_stops_within_shutdown_timeout",
    "channels.handshake_timeout": (
        "runtime/transport/test_bad_peers.py::test_silence_in_the_upgrade_ends_after_its_time"
    ),
    "channels.token_ttl": "runtime/test_zato_channel.py::test_a_token_lives_on_by_pongs_and_expires_without",
    "channels.ping_timeout": "runtime/transport/test_link.py::test_a_ping_has_a_deadline_of_its_own",
    "channels.pings_missed_threshold": "runtime/transport/test_link.py::test_a_silent_peer_is_found_in_time",
    "channels.socket_write_timeout": (
        "runtime/test_bounds.py::test_a_peer_that_does_not_read_is_read_no_further_and_ends"
    ),
    "channels.message_timeout": "runtime/test_bounds.py::test_a_message_that_does_not_end_ends_its_session",
    "channels.max_message_size": (
        "runtime/transport/test_bad_peers.py::test_too_large_a_message_ends_its_link_with_1009"
    ),
    "channels.max_sessions": "runtime/security/test_access.py::test_only_so_many_sessions_are_there_in_all",
    "channels.max_sessions_per_address": (
        "runtime/security/test_access.py::test_only_so_many_sessions_come_from_one_address"
    ),
    "channels.hook_timeout": "runtime/test_channel_hooks.py::test_a_hook_that_fails_costs_the_peer_nothing",
    "channels.max_deliveries_in_flight": (
        "runtime/test_outage.py::test_a_subscriber_that_never_answers_holds_up_nobody"
    ),
    "channels.max_delivery_bytes_in_flight": "runtime/test_bounds.py::test_only_so_many_bytes_wait_for_an_answer",
    "outgoing.timeout": "runtime/test_bounds.py::test_a_subscription_is_asked_for_within_timeout",
    "outgoing.dial_timeout": "runtime/test_bounds.py::test_an_attempt_to_connect_takes_no_longer_than_dial_timeout",
    "outgoing.ping_timeout": "runtime/transport/test_link.py::test_a_ping_has_a_deadline_of_its_own",
    "outgoing.pings_missed_threshold": "runtime/transport/test_link.py::test_a_silent_peer_is_found_in_time",
    "outgoing.max_message_size": ("runtime/transport/test_link.py::test_what_is_too_large_to_receive_closes_with_1009"),
    "topics.delivery.delivery_batch_size": (
        "runtime/test_bounds.py::test_a_delivery_has_no_more_messages_than_its_batch"
    ),
    "topics.delivery.delivery_max_retry": (
        "runtime/store/test_browse.py::test_a_poison_message_is_buried_alone_and_replayed"
    ),
    "topics.delivery.ack_timeout": "runtime/test_bounds.py::test_a_delivery_without_an_answer_is_made_again",
    "channels.max_handshakes": "runtime/transport/test_websocket.py::test_places_for_handshakes_are_bounded_and_freed",
    "channels.max_failed_logins": "runtime/security/test_channel_security.py::test_too_many_failures_are_told_and_end",
    "channels.new_token_wait_time": "runtime/test_zato_channel.py::test_a_session_that_is_not_created_in_time_is_a_merr",
    "channels.max_messages_per_second": (
        "runtime/test_rates.py::test_a_session_that_sends_too_much_is_slowed_down_and_loses_nothing"
    ),
    "channels.max_bytes_per_second": "runtime/test_rates.py::test_large_messages_wait_for_their_bytes",
    "channels.max_in_flight": "runtime/test_clients.py::test_only_so_many_requests_are_under_way",
    "channels.max_bytes_in_flight": "runtime/test_credit_over_links.py::test_calls_wait_for_credit",
    "channels.max_len_messages_sent": "actors/test_message_log.py::test_the_oldest_make_room",
    "channels.max_len_messages_received": "actors/test_message_log.py::test_the_oldest_make_room",
    "channels.max_bytes_per_message_sent": "actors/test_message_log.py::test_long_data_is_cut_and_its_size_known",
    "channels.max_bytes_per_message_received": "actors/test_message_log.py::test_long_data_is_cut_and_its_size_known",
    "outgoing.hook_timeout": "runtime/test_link_states.py::test_a_hook_that_takes_too_long_is_cancelled",
    "outgoing.max_connect_attempts": "runtime/test_link_states.py::test_no_more_attempts_than_allowed",
    "outgoing.socket_read_timeout": (
        "runtime/test_outgoing_options.py::test_a_silent_peer_ends_the_link_after_socket_read_timeout"
    ),
    "outgoing.socket_write_timeout": (
        "runtime/test_outgoing_options.py::test_a_peer_that_takes_nothing_ends_the_link_after_socket_write_timeout"
    ),
    "outgoing.max_waiting": (
        "runtime/test_websocket_remote.py::test_a_frame_that_waits_for_room_is_lost_with_the_link_or_taken_back_in_time"
    ),
    "outgoing.max_in_flight": (
        "actors/test_outgoing_cancellation.py::test_requests_over_the_limit_are_refused_at_once"
    ),
    "outgoing.max_bytes_in_flight": "runtime/test_credit_over_links.py::test_requests_to_a_client_wait_for_its_credit",
    "outgoing.max_deliveries_in_flight": (
        "runtime/test_credit_over_links.py::test_what_hooks_have_not_handled_bounds_what_is_sent"
    ),
    "outgoing.max_delivery_bytes_in_flight": (
        "runtime/test_credit_over_links.py::test_what_hooks_have_not_handled_bounds_what_is_sent"
    ),
    "outgoing.max_unhandled": (
        "runtime/test_link_states.py::test_a_link_whose_hooks_are_behind_is_throttled_then_closed"
    ),
    "outgoing.max_throttled_time": (
        "runtime/test_link_states.py::test_a_link_whose_hooks_are_behind_is_throttled_then_closed"
    ),
    "topics.max_depth_gd": "runtime/store/test_limits.py::test_a_full_queue_makes_room_as_its_topic_says",
    "topics.max_depth_non_gd": "runtime/store/test_limits.py::test_a_full_queue_makes_room_as_its_topic_says",
    "topics.limit_retention": ("runtime/store/test_limits.py::test_retention_and_inactivity_end_what_nobody_asks_for"),
    "topics.limit_message_expiry": "runtime/store/test_limits.py::test_expired_and_old_messages_become_dead_letters",
    "topics.limit_sub_inactivity": (
        "runtime/store/test_limits.py::test_retention_and_inactivity_end_what_nobody_asks_for"
    ),
    "topics.max_message_size": "runtime/test_pubsub.py::test_what_cannot_be_published_is_refused_and_not_stored",
    "topics.publish_dedup_window": "runtime/store/test_limits.py::test_ids_are_remembered_within_the_window_only",
    "topics.max_publish_dedup_ids": "runtime/store/test_limits.py::test_ids_are_remembered_within_the_window_only",
}
"""The test, below `tests/`, that shows a limit to hold, by the section's name and the key's."""


FIXED = (
    (
        "16 KiB",
        "the head of an upgrade",
        "runtime/security/test_access.py::test_a_header_that_is_too_large_ends_its_connection",
    ),
    (
        "16 MiB",
        "bytes of a session that wait to be handled before nothing more is read from it",
        "runtime/transport/test_link.py::test_too_much_unread_pauses_reading_until_it_is_received",
    ),
    (
        "10,000",
        "counts of failed log-ins that are remembered; those not seen for longest are forgotten",
        "runtime/security/test_attempts.py::test_the_tables_are_bounded",
    ),
    (
        "10,000",
        "entries of the audit log that wait to be written; those beyond are lost, which is counted",
        "runtime/observe/test_audit_file.py::test_a_file_that_cannot_be_written_stops_nothing",
    ),
    (
        "100 a minute",
        "refusals of one kind to one address in the audit log; the rest is counted",
        "runtime/observe/test_audit_file.py::test_refusals_that_repeat_are_counted",
    ),
)
"""Limits that are no keys: what they are, what they bound, and the test that shows it."""


def is_limit(key: Key) -> bool:
    """Tell whether a key bounds something."""
    return key.section is None and (_NAMES.fullmatch(key.name) is not None or key.name in _NAMES_TOO)


def limit_name(section: Section, key: Key) -> str:
    """Return the section's name without its placeholders, and the key's."""
    parts = [part for part in section.path if part != "clusters" and not part.isupper()]
    return ".".join((*parts, key.name))
