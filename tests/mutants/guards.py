"""The modules that mutation testing covers, and the test files for each; tests without servers come first."""

CONNECTING = ("tests/contract/test_connecting.py", "tests/contract/test_auth.py", "tests/contract/test_attacks.py")
CALLS = (
    "tests/gateway/test_calls.py", "tests/contract/test_bad_input.py", "tests/contract/test_limits.py",
    "tests/contract/test_posts.py",
)  # fmt: skip
POLICIES = ("tests/storage/test_read_policies.py", "tests/storage/test_write_policies.py")

GUARDS: dict[str, tuple[str, ...]] = {
    "protocol/cursors": ("tests/protocol/test_tokens_and_cursors.py",),
    "protocol/tokens": ("tests/protocol/test_tokens_and_cursors.py",),
    "domain/visibility": ("tests/domain/test_visibility.py",),
    "domain/room_rules": ("tests/domain/test_room_rules.py",),
    "storage/idempotency": ("tests/storage/test_idempotency.py",),
    "storage/fair_queue": ("tests/storage/test_fair_queue.py",),
    "storage/batches": ("tests/storage/test_batches.py",),
    "storage/limits": ("tests/storage/test_limits.py", "tests/contract/test_limits.py"),
    "channels/kinds": ("tests/channels/test_kinds.py",),
    "channels/members": ("tests/channels/test_members.py",),
    "channels/delivery": ("tests/channels/test_delivery.py",),
    "channels/hooks": ("tests/channels/test_hooks.py",),
    "channels/subscriptions": ("tests/channels/test_subscriptions.py",),
    "channels/bus": ("tests/channels/test_bus.py",),
    "channels/gaps": ("tests/channels/test_gaps.py",),
    "channels/recovery": ("tests/channels/test_recovery_shards.py",),
    "gateway/rights": ("tests/gateway/test_rights.py",),
    "gateway/admission": ("tests/gateway/test_admission.py",),
    "gateway/handshake": ("tests/gateway/test_handshake.py",),
    "gateway/replay": ("tests/gateway/test_replay.py",),
    "gateway/sessions": ("tests/gateway/test_sessions.py",),
    "gateway/connection": ("tests/gateway/test_connection.py",),
    "gateway/calls": ("tests/gateway/test_calls.py",),
    "gateway/dispatcher": ("tests/gateway/test_dispatcher.py", *CALLS, *CONNECTING),
    "domain/ages": ("tests/domain/test_ages.py", "tests/contract/test_auth.py"),
    "domain/refresh_tokens": ("tests/contract/test_auth.py",),
    "handlers/auth": (
        "tests/contract/test_auth.py", "tests/contract/test_ending_sessions.py",
        "tests/contract/test_repeated_registrations.py", "tests/contract/test_limits.py",
    ),
    "stage/room_hooks": ("tests/stage/test_room_hooks.py",),
    "presence/reports": ("tests/presence/test_reports.py",),
    "presence/presence_hooks": ("tests/presence/test_presence_hooks.py",),
    "channels/lua": (
        "tests/channels/test_recovery.py", "tests/channels/test_broadcaster.py", "tests/channels/test_nodes.py",
    ),
    "stage/lua": ("tests/stage/test_roster.py",),
    "storage/lua": (
        "tests/storage/test_leases.py", "tests/storage/test_inboxes.py", "tests/storage/test_shares.py",
        "tests/storage/test_limits.py", "tests/storage/test_event_log.py",
    ),
    "presence/lua": ("tests/presence/test_update.py",),
    "database/policies": POLICIES,
    "database/functions": (
        "tests/storage/functions/test_accounts.py", "tests/storage/functions/test_feeds.py",
        "tests/storage/functions/test_comment_trees.py", "tests/storage/functions/test_comments.py",
        "tests/storage/functions/test_contact.py", "tests/storage/functions/test_reactions.py",
        "tests/storage/functions/test_graph.py", "tests/storage/functions/test_ids_and_outbox.py",
        "tests/storage/functions/test_live_rooms.py", "tests/storage/functions/test_room_entries.py",
        "tests/storage/functions/test_posts.py", "tests/storage/functions/test_presence.py",
        "tests/storage/functions/test_room_chat.py", "tests/storage/functions/test_room_stage.py",
        "tests/storage/test_privileges.py",
    ),
}  # fmt: skip
