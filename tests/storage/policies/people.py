"""Writes of the application's role to users, their graph and their posts, in the form of `rules`."""

from tests.storage.policies.rules import NO_ONE, Rules
from tests.storage.policies.world import ANYONE

_USER = "INSERT INTO users (id, username, username_key) VALUES"
_SESSION = "INSERT INTO sessions (id, user_id, family_hash, refresh_hash, expires_at)"
_FOLLOW = "INSERT INTO follows (id, follower_id, followee_id, status) VALUES"
_POST = "INSERT INTO posts (id, author_id, text, visibility, circle_id, reply_policy) VALUES"
_MENTIONING_POST = "INSERT INTO posts (id, author_id, text, visibility, reply_policy, mention_ids) VALUES"
_SHARE = """INSERT INTO posts (id, author_id, text, reply_policy, visibility, shared_post_id)
    VALUES ({new}, {me}, '', 'everyone',"""
_MENTION = "INSERT INTO post_mentions (post_id, author_id, user_id) VALUES"
_DEVICE = "INSERT INTO push_devices (id, user_id, session_id, kind, token) VALUES"
_ANSWER = "INSERT INTO idempotency (user_id, method, key, request_hash, answer"

PEOPLE = {
    "users": Rules(
        "id username username_key display_name is_private",
        "display_name bio avatar_url is_private presence_status presence_text presence_version presence_audience",
        False,
        (
            ("newcomer", _USER + " ({newcomer}, 'N{new}', 'n{new}')"),
            (NO_ONE, _USER + " ({new}, 'n{new}', 'n{new}')"),
            (NO_ONE, _USER + " ({newcomer}, 'admin{new}', 'n{new}')"),
            ("owner", "UPDATE users SET bio = 'x', is_private = false, presence_status = 'busy' WHERE id = {owner}"),
            (NO_ONE, "UPDATE users SET is_verified = true WHERE id = {me}"),
            (NO_ONE, "UPDATE users SET role = 'admin' WHERE id = {me}"),
            (NO_ONE, "UPDATE users SET status = 'active', created_at = '2020-01-01' WHERE id = {me}"),
            (NO_ONE, "UPDATE users SET follower_count = 1000000 WHERE id = {me}"),
        ),
    ),
    "accounts": Rules(
        "user_id email email_key password_hash birth_date locale",
        "password_hash messages_from comments_from mentions_from locale timezone governorate suggest_me label_choices",
        False,
        (
            ("newcomer", _USER + " ({newcomer}, 'n{new}', 'n{new}');"
                         "INSERT INTO accounts (user_id, email, email_key) VALUES ({newcomer}, '{new}', '{new}')"),
            ("stranger", "INSERT INTO accounts (user_id, email, email_key) VALUES ({stranger}, '{new}', '{new}')"),
            ("owner", "UPDATE accounts SET password_hash = 'x' WHERE user_id = {owner}"),
            ("owner", "UPDATE accounts SET messages_from = 'nobody', timezone = 'UTC' WHERE user_id = {owner}"),
            ("owner", "UPDATE accounts SET governorate = 'giza', suggest_me = false WHERE user_id = {owner}"),
            (NO_ONE, "UPDATE accounts SET email_verified_at = now() WHERE user_id = {owner}"),
            (NO_ONE, "UPDATE accounts SET email = 'x', email_key = 'x' WHERE user_id = {owner}"),
            (NO_ONE, "UPDATE accounts SET birth_date = '2000-01-01' WHERE user_id = {owner}"),
        ),
    ),
    "sessions": Rules(
        "id user_id family_hash refresh_hash device_name fingerprint ip user_agent expires_at",
        "refresh_hash previous_hash rotated_at last_seen_at expires_at revoked_at revoked_reason", False,
        (
            ("owner", _SESSION + " VALUES ({new}, {owner}, 'f', 'r', now() + interval '30 days')"),
            ("owner", "UPDATE sessions SET refresh_hash = 'x', last_seen_at = now() WHERE id = {session}"),
            ("owner", "UPDATE sessions SET revoked_at = now(), revoked_reason = 'logout' WHERE id = {session}"),
            (NO_ONE, "UPDATE sessions SET revoked_at = NULL WHERE id = {revoked_session}"),
            (NO_ONE, "UPDATE sessions SET refresh_hash = 'x' WHERE id = {revoked_session}"),
            (NO_ONE, "UPDATE sessions SET expires_at = now() + interval '1 day' WHERE id = {expired_session}"),
            (NO_ONE, "UPDATE sessions SET second_factor_at = now() WHERE id = {session}"),
            (NO_ONE, "UPDATE sessions SET user_id = {me} WHERE id = {session}"),
            # Without a condition, which would let the policy for reading choose the rows.
            ("owner other", "UPDATE sessions SET last_seen_at = now()"),
        ),
    ),
    "one_time_codes": Rules(
        "", "", False, ((NO_ONE, "UPDATE one_time_codes SET used_at = now() WHERE id = {code}"),),
    ),
    "account_mails": Rules(
        "", "", False, ((NO_ONE, "UPDATE account_mails SET outcome = 'x' WHERE id = {code}"),),
    ),
    "former_usernames": Rules(
        "", "", False, ((NO_ONE, "UPDATE former_usernames SET until = now() WHERE user_id = {owner}"),),
    ),
    "api_keys": Rules("", "", False, ((NO_ONE, "UPDATE api_keys SET methods = ARRAY ['x'] WHERE id = {key}"),)),
    "second_factors": Rules(
        "", "", False, ((NO_ONE, "UPDATE second_factors SET confirmed_at = NULL WHERE user_id = {owner}"),),
    ),
    "recovery_codes": Rules(
        "", "", False, ((NO_ONE, "UPDATE recovery_codes SET used_at = NULL WHERE user_id = {owner}"),),
    ),
    "push_devices": Rules(
        "id user_id session_id kind token", "session_id registered_at", True,
        (
            ("owner", _DEVICE + " ({new}, {me}, {session}, 'apns', repeat('ab', 32))"),
            ("other", _DEVICE + " ({new}, {other}, {session_of_other}, 'fcm', 'a new token')"),
            ("other", _DEVICE + " ({new}, {me}, {session_of_other}, 'fcm', 'token of {owner}')"), # the device moves
            (NO_ONE, _DEVICE + " ({new}, {me}, {expired_session}, 'fcm', 'a new token')"),
            ("owner", _DEVICE + " ({new}, {me}, NULL, 'email', '{owner}')"),
            (NO_ONE, _DEVICE + " ({new}, {me}, NULL, 'email', 'another address')"),
            ("owner", "UPDATE push_devices SET registered_at = now(), session_id = {session} WHERE id = {device}"),
            (NO_ONE, "UPDATE push_devices SET session_id = {session_of_other} WHERE id = {device}"),
            (NO_ONE, "UPDATE push_devices SET session_id = {revoked_session} WHERE id = {device}"),
            (NO_ONE, "UPDATE push_devices SET session_id = {expired_session} WHERE id = {device}"),
            (NO_ONE, "UPDATE push_devices SET token = 'x' WHERE id = {device}"),
            (NO_ONE, "UPDATE push_devices SET user_id = {me} WHERE id = {device}"),
            ("owner", "DELETE FROM push_devices WHERE id = {device}"),
        ),
    ),
    "follows": Rules(
        "id follower_id followee_id status", "status", True,
        (
            (ANYONE, _FOLLOW + " ({new}, {me}, {open}, 'active')"),
            ("stranger", _FOLLOW + " ({new}, {stranger}, {owner}, 'pending')"),
            (NO_ONE, _FOLLOW + " ({new}, {speaker}, {open}, 'active')"),
            ("owner", "UPDATE follows SET status = 'active' WHERE follower_id = {asker}"),
            (NO_ONE, "UPDATE follows SET status = 'pending' WHERE follower_id = {other}"),
            (NO_ONE, "UPDATE follows SET follower_id = {open} WHERE follower_id = {other}"),
            ("owner other", "DELETE FROM follows WHERE follower_id = {other}"),
        ),
    ),
    "blocks": Rules(
        "blocker_id blocked_id reason", "", True,
        (
            (ANYONE, "INSERT INTO blocks (blocker_id, blocked_id) VALUES ({me}, {open})"),
            (NO_ONE, "INSERT INTO blocks (blocker_id, blocked_id) VALUES ({speaker}, {open})"),
            ("owner", "DELETE FROM blocks WHERE blocker_id = {owner}"),
        ),
    ),
    "mutes": Rules(
        "user_id muted_id kind until", "until", True,
        (
            (ANYONE, "INSERT INTO mutes (user_id, muted_id, kind) VALUES ({me}, {open}, 'all')"),
            (NO_ONE, "INSERT INTO mutes (user_id, muted_id, kind) VALUES ({speaker}, {open}, 'all')"),
            ("owner", "UPDATE mutes SET until = now() WHERE user_id = {owner}"),
            ("owner", "DELETE FROM mutes WHERE user_id = {owner}"),
        ),
    ),
    "circles": Rules(
        "id owner_id name", "name", True,
        (
            (ANYONE, "INSERT INTO circles (id, owner_id, name) VALUES ({new}, {me}, 'x')"),
            (NO_ONE, "INSERT INTO circles (id, owner_id, name) VALUES ({new}, {speaker}, 'x')"),
            ("owner", "UPDATE circles SET name = 'x' WHERE id = {circle}"),
            ("owner", "DELETE FROM circles WHERE id = {circle}"),
        ),
    ),
    "circle_members": Rules(
        "circle_id owner_id user_id", "", True,
        (
            ("owner", "INSERT INTO circle_members (circle_id, owner_id, user_id) VALUES ({circle}, {owner}, {open})"),
            # Into another user's circle: its posts and rooms would then be open to the added user.
            ("owner", "INSERT INTO circle_members (circle_id, owner_id, user_id) VALUES ({circle}, {me}, {open})"),
            ("owner", "INSERT INTO circle_members (circle_id, owner_id, user_id) VALUES ({circle}, {me}, {me})"),
            ("owner", "DELETE FROM circle_members WHERE circle_id = {circle}"),
        ),
    ),
    "posts": Rules(
        "id author_id text visibility circle_id reply_policy hashtags mention_ids shared_post_id topics",
        "text hashtags mention_ids topics version edited_at status deleted_at", False,
        (
            (ANYONE, _POST + " ({new}, {me}, 'x', 'public', NULL, 'everyone')"),
            (NO_ONE, _POST + " ({new}, {speaker}, 'x', 'public', NULL, 'everyone')"),
            ("owner", _POST + " ({new}, {me}, 'x', 'circle', {circle}, 'everyone')"),
            ("other", _POST + " ({new}, {me}, 'x', 'circle', {circle_of_other}, 'everyone')"),
            (NO_ONE, _POST + " ({new}, {me}, 'x', 'circle', {lost_circle}, 'everyone')"),
            (NO_ONE, _MENTIONING_POST + " ({new}, {me}, 'x', 'public', 'everyone', ARRAY [{shy}])"),
            (NO_ONE, "UPDATE posts SET mention_ids = ARRAY [{other}, {shy}] WHERE id = {post}"),
            (ANYONE, _SHARE + " 'public', {open_post})"),
            (NO_ONE, _SHARE + " 'followers', {open_post})"),
            (NO_ONE, _SHARE + " 'public', {post})"),  # not for everybody
            (NO_ONE, _SHARE + " 'public', {share})"),
            (NO_ONE, "UPDATE posts SET shared_post_id = {open_post} WHERE id = {post}"),
            (NO_ONE, "UPDATE posts SET counts_version = 9 WHERE id = {post}"),
            ("owner", "UPDATE posts SET text = 'y', version = version + 1, edited_at = now() WHERE id = {post}"),
            ("owner", "UPDATE posts SET status = 'deleted', deleted_at = now() WHERE id = {post}"),
            (NO_ONE, "UPDATE posts SET status = 'published', deleted_at = NULL WHERE id = {deleted_post}"),
            (NO_ONE, "UPDATE posts SET text = 'y' WHERE id = {deleted_post}"),
            (NO_ONE, "UPDATE posts SET deleted_at = now() WHERE id = {post}"),
            (NO_ONE, "UPDATE posts SET author_id = {me} WHERE id = {post}"),
            (NO_ONE, "UPDATE posts SET visibility = 'public' WHERE id = {post}"),
            (NO_ONE, "UPDATE posts SET reactions = '{{\"like\": 9}}' WHERE id = {post}"),
            (NO_ONE, "UPDATE posts SET view_count = 9 WHERE id = {post}"),
        ),
    ),
    "post_mentions": Rules(
        "post_id author_id user_id", "", True,
        (
            ("owner", _MENTION + " ({post}, {owner}, {speaker})"),
            (NO_ONE, _MENTION + " ({post}, {owner}, {open})"),
            ("owner", _MENTION + " ({post}, {me}, {speaker})"),
            (NO_ONE, _MENTION + " ({deleted_post}, {owner}, {other})"),
            ("owner", "DELETE FROM post_mentions WHERE post_id = {post}"),
        ),
    ),
    "idempotency": Rules(
        "user_id method key request_hash answer", "request_hash answer created_at", False,
        (
            (ANYONE, _ANSWER + ") VALUES ({me}, 'm', 'new', 'h', 'a')"),
            (NO_ONE, _ANSWER + ") VALUES ({speaker}, 'm', 'new', 'h', 'a')"),
            (NO_ONE, _ANSWER + ", created_at) VALUES ({me}, 'm', 'new', 'h', 'a', '2100-01-01')"),
            ("owner", "UPDATE idempotency SET answer = 'b', created_at = now() WHERE user_id = {owner}"),
            (NO_ONE, "UPDATE idempotency SET created_at = '2100-01-01' WHERE user_id = {owner}"),
        ),
    ),
    "audit": Rules(
        "id actor_id action resource changes ip user_agent", "", False,
        (
            (ANYONE + " newcomer", "INSERT INTO audit (id, actor_id, action, resource)"
                                   " VALUES ({new}, {me}, 'room.ban', 'room:{room}')"),
            ("nobody", "INSERT INTO audit (id, actor_id, action, resource)"
                       " VALUES ({new}, {speaker}, 'auth.login_failed', 'user:{speaker}')"),
            ("nobody", "INSERT INTO audit (id, actor_id, action, resource)"
                       " VALUES ({new}, {speaker}, 'auth.reset_failed', 'user:{speaker}')"),
            (NO_ONE, "INSERT INTO audit (id, actor_id, action, resource)"
                     " VALUES ({new}, {speaker}, 'room.ban', 'room:{room}')"),
            (NO_ONE, "INSERT INTO audit (id, action, resource) VALUES ({new}, 'room.ban', 'room:{room}')"),
            (NO_ONE, "INSERT INTO audit (id, actor_id, action, resource, recorded_at)"
                     " VALUES ({new}, {me}, 'room.ban', 'room:{room}', '2020-01-01')"),
        ),
    ),
}  # fmt: skip
