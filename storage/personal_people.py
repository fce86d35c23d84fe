"""The registry of personal data: accounts, sessions, the graph, notifications, and what is learnt of users."""

from storage.personal_records import Blanked, Deleted, Kept, Personal

_INTERNAL = "It is of use to this server alone."
_SECRET = "Secrets, and what this server compares by."
_DERIVED = "Derived from what is exported elsewhere; it is deleted with it."
_SHORT = "Kept for days at most."
_OTHER = "Rows of others name the user by an id alone."

_MINE = "user_id = person"

PEOPLE = (
    Personal(
        "idempotency",
        "user_id, method, key",
        None,
        "",
        "user_id method key request_hash answer created_at",
        _SHORT,
        (Deleted(_MINE),),
    ),
    Personal(
        "sessions",
        "id",
        _MINE,
        "id device_name ip user_agent created_at last_seen_at expires_at revoked_at revoked_reason second_factor_at",
        "user_id family_hash refresh_hash previous_hash rotated_at fingerprint",
        _SECRET,
        (Deleted(),),
    ),
    Personal(
        "api_keys",
        "id",
        _MINE,
        "id name prefix methods created_at last_used_at",
        "user_id session_id key_hash",
        _SECRET,
        (Deleted(),),
    ),
    Personal(
        "former_usernames", "username_key", _MINE, "username_key until", "user_id", "It is the person.", (Deleted(),)
    ),
    Personal(
        "second_factors",
        "user_id",
        _MINE,
        "confirmed_at created_at",
        "user_id sealed last_step failures blocked_until",
        _SECRET,
        (Deleted(),),
    ),
    Personal(
        "recovery_codes",
        "user_id, code_hash",
        None,
        "",
        "user_id code_hash used_at",
        _SECRET,
        (Deleted(_MINE),),
    ),
    Personal(
        "push_devices",
        "id",
        _MINE,
        "id kind created_at registered_at",
        "user_id session_id token",
        "A token lets its holder send messages to the device.",
        (Deleted(),),
    ),
    Personal(
        "follows",
        "follower_id, followee_id",
        "person IN (follower_id, followee_id)",
        "follower_id followee_id status created_at",
        "id",
        _INTERNAL,
        (Deleted(),),
    ),
    Personal(
        "blocks",
        "blocker_id, blocked_id",
        "blocker_id = person",
        "blocked_id reason created_at",
        "blocker_id",
        "It is the person.",
        (Deleted("person IN (blocker_id, blocked_id)"),),
    ),
    Personal(
        "mutes",
        "user_id, muted_id, kind",
        _MINE,
        "muted_id kind until created_at",
        "user_id",
        "It is the person.",
        (Deleted("person IN (user_id, muted_id)"),),
    ),
    Personal(
        "circle_members",
        "circle_id, user_id",
        "owner_id = person",
        "circle_id user_id added_at",
        "owner_id",
        "It is the person. The circles of others are their secret.",
        (Deleted("person IN (owner_id, user_id)"),),
    ),
    Personal("circles", "id", "owner_id = person", "id name created_at", "owner_id", "It is the person.", (Deleted(),)),
    Personal(
        "dismissed_people",
        "user_id, dismissed_id",
        _MINE,
        "dismissed_id created_at",
        "user_id",
        "It is the person.",
        (Deleted(),),
    ),
    Personal(
        "affinities",
        "user_id, other_id",
        _MINE,
        "other_id points skips as_of",
        "user_id",
        "It is the person.",
        (Deleted(),),
    ),
    Personal(
        "affinity_changes",
        "id",
        None,
        "",
        "id user_id target_type target_id kind amount is_first created_at",
        f"{_DERIVED} {_SHORT}",
        (Kept(_SHORT),),
    ),
    Personal("user_vectors", "user_id", _MINE, "vector learnt_at", "user_id", "It is the person.", (Deleted(),)),
    Personal(
        "feed_hides",
        "user_id, post_id",
        _MINE,
        "post_id reason topics created_at",
        "user_id author_id",
        _OTHER,
        (Deleted("user_id = person"),),
    ),
    Personal(
        "feed_exposures",
        "id",
        None,
        "",
        "id user_id post_id place source propensity is_of_whole",
        _SHORT,
        (Kept("Its partitions are dropped when they are old."),),
    ),
    Personal("recent_searches", "user_id, folded", _MINE, "q searched_at", "user_id folded", _INTERNAL, (Deleted(),)),
    Personal(
        "search_uses",
        "id",
        None,
        "",
        "id shown uses author_ids",
        "Words of texts that are exported. Those that others wrote too stay.",
        (Deleted("cardinality(author_ids) = 1 AND author_ids[1] = person"),),
    ),
    Personal(
        "notification_deliveries",
        "notification_id, channel",
        None,
        "",
        "notification_id channel user_id due_at leased_until attempts outcome sent_to",
        _INTERNAL,
        (Deleted(_MINE),),
    ),
    Personal(
        "notification_causes",
        "user_id, kind, target_type, target_id, actor_id",
        None,
        "",
        "user_id kind target_type target_id actor_id event_id notification_id created_at is_withdrawn",
        _DERIVED,
        (Deleted(_MINE),),
    ),
    Personal(
        "notifications",
        "id",
        _MINE,
        "id kind target_type target_id place actor_ids actor_count first_at updated_at seen_at read_at",
        "user_id group_key told_seq decisions",
        _INTERNAL,
        (Deleted(),),
    ),
    Personal(
        "notification_preferences",
        "user_id",
        _MINE,
        "channels ungrouped quiet_from quiet_until strangers new_accounts",
        "user_id",
        "It is the person.",
        (Deleted(),),
    ),
    Personal(
        "system_messages",
        "id",
        _MINE,
        "id text created_at",
        "user_id told_id finished_at",
        _INTERNAL,
        (Deleted(),),
    ),
    Personal(
        "audit",
        "id",
        "actor_id = person",
        "id action resource ip user_agent recorded_at",
        "actor_id changes",
        _INTERNAL,
        (Blanked("ip = NULL, user_agent = NULL", "ip IS NULL AND user_agent IS NULL"),),
    ),
)

ACCOUNTS = (
    Personal(
        "verifications",
        "id",
        _MINE,
        "id status reason requested_at decided_at",
        "user_id decided_by",
        "The moderator is another person.",
        (Deleted(),),
    ),
    Personal(
        "consents",
        "id",
        _MINE,
        "purpose version given_at withdrawn_at",
        "id user_id",
        _INTERNAL,
        (Deleted(),),
    ),
    Personal(
        "account_exports",
        "id",
        _MINE,
        "id state created_at size_bytes expires_at",
        "user_id object_key attempts claimed_until",
        _INTERNAL,
        (Deleted(),),  # an event lets workers delete the archive
    ),
)

# Last: while these rows exist, an erasure that was interrupted finds its way.
LAST = (
    Personal(
        "accounts",
        "user_id",
        _MINE,
        "email email_verified_at birth_date locale timezone created_at messages_from comments_from mentions_from"
        " governorate suggest_me label_choices username_changed_at feed_reset_at",
        "user_id email_key password_hash birth_date_corrected_at",
        _SECRET,
        (Deleted(),),
    ),
    Personal(
        "users",
        "id",
        "id = person",
        "id username display_name bio avatar_url role status is_verified is_private follower_count following_count"
        " post_count created_at presence_status presence_text presence_audience suspended_until",
        "username_key is_large presence_version",
        _INTERNAL,
        (
            Blanked(
                "username = 'deleted:' || id, username_key = 'deleted:' || id, display_name = '', bio = '',"
                " avatar_url = NULL, role = 'user', is_verified = false, is_private = true,"
                " presence_status = 'invisible', presence_text = '', presence_audience = 'nobody',"
                " suspended_until = NULL, status = 'deleted'",
                "status = 'deleted'",
            ),
        ),
    ),
    Personal(
        "account_deletions",
        "user_id",
        _MINE,
        "requested_at erase_at",
        "user_id erased_at at_step since claimed_until",
        _INTERNAL,
        (Kept("The record that the account was erased: an id that names nobody, and times."),),
    ),
)
