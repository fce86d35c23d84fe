"""Users and rows for tests of row policies, and writes as one of the users."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from storage.schema import APP_ROLE, WORKER_ROLE
from tests.cluster import Cluster

# The owner is a private account with a circle, posts, and rooms that followers may see. The others: a cohost of the
# rooms, a follower, a follower muted and one banned in the live room, a user who does not follow, a user whom the owner
# blocks, a user who is just registering, and a transaction without a viewer. In the network, `muted` is a moderator and
# `banned` an admin.
VIEWERS = ("owner", "cohost", "other", "muted", "banned", "stranger", "blocked", "newcomer", "nobody")
ANYONE = "owner cohost other muted banned stranger blocked"
OWNER_ROLE = "daira_owner"
# Not viewers: a speaker, a user with a pending follow, an open account, a user whom nobody may mention, and one
# with a post that trends.
_ALSO = ("speaker", "asker", "open", "shy", "star")
_ROWS = """
    post open_post deleted_post lost_post comment reply own_comment owner_comment deleted_comment lost_comment circle
    circle_of_other lost_circle room scheduled ended undigested message deleted_message owner_message
    recorded recording stopping_recording saved_recording session
    revoked_session expired_session session_of_other chat direct hidden_direct
    code code_of_shy key
    device notification filtered_notification system_message told_message
    viewed_post share collection collection_of_other
    file loose_file upload upload_of_other expired_file star_post
    case decided_case report case_act decision appeal appeal_case rule term_list
"""


class World:
    """Ids of users and rows by name, and a connection for each role."""

    def __init__(self, cluster: Cluster) -> None:
        self._mint = cluster.stores.ids.mint
        self.ids = {name: self._mint() for name in (*VIEWERS, *_ALSO, *_ROWS.split())}
        self._cluster = cluster
        self._connections: dict[str, Any] = {}

    async def open(self) -> None:
        """Connect, and commit the rows as the owner of the tables, without policies."""
        for role in (OWNER_ROLE, APP_ROLE, WORKER_ROLE):
            self._connections[role] = await asyncpg.connect(self._cluster.servers.postgres_url(role))
        connection = self._connections[OWNER_ROLE]
        # Until they are closed, workers that another test has started do not delete the old rows among these.
        await connection.execute("SELECT pg_advisory_lock(hashtext('daira_relay'))")
        async with connection.transaction():
            for name in {*VIEWERS, *_ALSO} - {"newcomer", "nobody"}:
                await connection.execute(
                    "INSERT INTO users (id, username, username_key, is_private) VALUES ($1, $2, $2, $3)",
                    self.ids[name], self._cluster.unique(name), name == "owner",
                )  # fmt: skip
            for name in ("cohost", "other", "muted", "banned", "speaker", "asker"):
                await connection.execute(
                    "INSERT INTO follows (id, follower_id, followee_id, status) VALUES ($1, $2, $3, 'pending')",
                    self._mint(), self.ids[name], self.ids["owner"],
                )  # fmt: skip
            await connection.execute(self.filled(_BELONGINGS))

    async def close(self) -> None:
        for connection in self._connections.values():
            await connection.close()

    def filled(self, statement: str, viewer: str = "stranger") -> str:
        """Return the statement with ids for names: `{me}` is the viewer's, `{new}` an unused one."""
        return statement.format_map({**self.ids, "me": self.ids[viewer], "new": self._mint()})

    @asynccontextmanager
    async def viewing(self, viewer: str, role: str = APP_ROLE) -> AsyncIterator[Any]:
        """Yield a connection with that role, in a transaction of that viewer, which is rolled back."""
        connection = self._connections[role]
        await connection.execute("BEGIN")
        try:
            if viewer != "nobody":
                await connection.execute("SELECT set_config('app.user_id', $1, true)", str(self.ids[viewer]))
            yield connection
        finally:
            await connection.execute("ROLLBACK")

    async def writes(self, statement: str, viewer: str, role: str = APP_ROLE) -> bool:
        """Return whether it writes a row; False if it is refused or finds no row."""
        async with self.viewing(viewer, role) as connection:
            try:
                return not (await connection.execute(self.filled(statement, viewer))).endswith(" 0")
            except (
                asyncpg.InsufficientPrivilegeError,
                asyncpg.ForeignKeyViolationError,
            ):  # the newcomer's row does not exist
                return False


_BELONGINGS = """
    UPDATE users SET role = 'moderator' WHERE id = {muted};
    UPDATE users SET role = 'admin' WHERE id = {banned};
    UPDATE follows SET status = 'active' WHERE followee_id = {owner} AND follower_id <> {asker};
    INSERT INTO accounts (user_id, email, email_key, mentions_from)
        VALUES ({owner}, '{owner}', '{owner}', 'everyone'), ({shy}, '{shy}', '{shy}', 'nobody');
    UPDATE accounts SET label_choices = '{{"sexual": "blur", "spoiler": "hide"}}' WHERE user_id = {owner};
    INSERT INTO blocks (blocker_id, blocked_id) VALUES ({owner}, {blocked});
    INSERT INTO mutes (user_id, muted_id, kind) VALUES ({owner}, {other}, 'posts');
    INSERT INTO circles (id, owner_id, name)
        VALUES ({circle}, {owner}, 'friends'), ({lost_circle}, {owner}, 'gone'), ({circle_of_other}, {other}, 'mine');
    INSERT INTO circle_members (circle_id, owner_id, user_id) VALUES ({circle}, {owner}, {other});
    INSERT INTO posts (id, author_id, text, visibility, circle_id, reply_policy, mention_ids, status, deleted_at)
        VALUES ({post}, {owner}, 'x', 'followers', NULL, 'everyone', ARRAY [{other}, {speaker}], 'published', NULL),
               ({deleted_post}, {owner}, 'x', 'public', NULL, 'everyone', ARRAY [{other}], 'deleted', now()),
               ({lost_post}, {owner}, 'x', 'circle', {lost_circle}, 'everyone', '{{}}', 'published', NULL);
    INSERT INTO posts (id, author_id, text, visibility, reply_policy)
        VALUES ({open_post}, {open}, 'x', 'public', 'followers'), ({viewed_post}, {open}, 'x', 'public', 'everyone');
    INSERT INTO collections (id, owner_id, name)
        VALUES ({collection}, {owner}, 'recipes'), ({collection_of_other}, {other}, 'recipes');
    INSERT INTO posts (id, author_id, text, visibility, reply_policy, shared_post_id)
        VALUES ({share}, {open}, '', 'public', 'everyone', {open_post});
    INSERT INTO reactions (target_type, target_id, user_id, kind, id)
        VALUES ('post', {open_post}, {blocked}, 'like', {post});
    INSERT INTO saves (id, user_id, post_id) VALUES ({post}, {other}, {lost_post});
    INSERT INTO search_documents (kind, id, terms)
        VALUES ('post', {post}, '''tea {post}'''), ('hashtag', {post}, '''tea {post}'''),
               ('post', {deleted_post}, '''coffee {post}''');
    INSERT INTO post_tags (tag, post_id) VALUES ('tea{post}', {post}), ('coffee{post}', {deleted_post});
    INSERT INTO search_uses (id, shown, author_ids)
        VALUES ({post}, '#tea', ARRAY [{owner}]), ({open_post}, '#open', ARRAY [{open}]);
    INSERT INTO recent_searches (user_id, folded, q) VALUES ({owner}, 'tea', 'tea');
    ALTER TABLE views DISABLE TRIGGER USER;
    INSERT INTO views (post_id, user_id) VALUES ({post}, {asker}), ({viewed_post}, {asker});
    ALTER TABLE views ENABLE TRIGGER USER;
    INSERT INTO view_sketches (post_id, counted, is_due) VALUES ({viewed_post}, 1000, false);
    INSERT INTO affinities (user_id, other_id, points, skips, as_of) VALUES ({other}, {shy}, 4, 0, now());
    INSERT INTO feed_hides (user_id, post_id, author_id, reason, topics)
        VALUES ({other}, {viewed_post}, {open}, 'topic', '{{}}');
    INSERT INTO post_mentions (post_id, author_id, user_id) VALUES ({post}, {owner}, {other});
    INSERT INTO comments (id, post_id, parent_id, author_id, text)
        VALUES ({comment}, {post}, NULL, {other}, 'x'), ({own_comment}, {open_post}, NULL, {stranger}, 'x'),
               ({owner_comment}, {open_post}, NULL, {owner}, 'x'), ({deleted_comment}, {post}, NULL, {muted}, 'x'),
               ({lost_comment}, {deleted_post}, NULL, {banned}, 'x');
    INSERT INTO comments (id, post_id, parent_id, author_id, text) VALUES ({reply}, {post}, {comment}, {cohost}, 'x');
    UPDATE comments SET status = 'deleted', deleted_at = now() WHERE id = {deleted_comment};
    UPDATE comments SET standing = 'limited', labels = ARRAY ['spoiler'] WHERE id = {reply};
    INSERT INTO reactions (target_type, target_id, user_id, kind, id)
        VALUES ('post', {post}, {other}, 'like', {post}), ('comment', {owner_comment}, {stranger}, 'like', {post}),
               ('post', {deleted_post}, {other}, 'like', {post});
    DELETE FROM circles WHERE id = {lost_circle};
    INSERT INTO sessions (id, user_id, family_hash, refresh_hash, expires_at, revoked_at)
        VALUES ({session}, {owner}, 'f', 'r', now() + interval '1 day', NULL),
               ({revoked_session}, {owner}, 'f', 'r', now() + interval '1 day', now()),
               ({expired_session}, {owner}, 'f', 'r', now() - interval '1 day', NULL),
               ({session_of_other}, {other}, 'f', 'r', now() + interval '1 day', NULL);
    INSERT INTO push_devices (id, user_id, session_id, kind, token)
        VALUES ({device}, {owner}, {session}, 'fcm', 'token of {owner}');
    INSERT INTO one_time_codes (purpose, subject, id, user_id, address, address_key, expires_at)
        VALUES ('change_email', '{owner}', {code}, {owner}, 'new{owner}', 'new{owner}', now() + interval '1 hour'),
               ('reset_password', 'of {shy}', {code_of_shy}, {shy}, '{shy}', '{shy}', now() + interval '1 hour');
    INSERT INTO second_factors (user_id, sealed, confirmed_at, failures) VALUES ({owner}, 's', now(), 4);
    INSERT INTO former_usernames (username_key, user_id, until)
        VALUES ('former{owner}', {owner}, now() + interval '1 day');
    INSERT INTO api_keys (id, user_id, session_id, name, prefix, key_hash, methods)
        VALUES ({key}, {owner}, {session}, 'x', 'x', '{key}', ARRAY ['post.get']);
    INSERT INTO account_deletions (user_id, erase_at) VALUES ({shy}, now() + interval '1 day');
    INSERT INTO recovery_codes (user_id, code_hash) VALUES ({owner}, 'r');
    INSERT INTO account_mails (id, user_id, address, locale, kind, expires_at)
        VALUES ({code}, {owner}, 'new{owner}', 'en', 'change_email', now() + interval '1 hour');
    INSERT INTO idempotency (user_id, method, key, request_hash, answer, created_at)
        VALUES ({owner}, 'post.create', 'k', 'h', 'a', now() - interval '2 days'),
               ({owner}, 'post.create', 'young', 'h', 'a', now());
    INSERT INTO outbox (id, topic, key, payload, sent_at)
        VALUES ({post}, 'post.created', '{owner}', '{{}}', NULL), ({session}, 'post.created', '{owner}', '{{}}', now());
    UPDATE outbox SET sent_batch = 0 WHERE key = '{owner}';
    INSERT INTO audit (id, actor_id, action, resource) VALUES ({post}, {owner}, 'auth.login', 'session:{session}');

    INSERT INTO rooms (id, owner_id, host_id, topic, visibility, capacity, state, started_at, ended_at)
        VALUES ({room}, {owner}, {owner}, 'x', 'followers', 10, 'live', now(), NULL),
               ({recorded}, {owner}, {owner}, 'x', 'followers', 10, 'live', now(), NULL),
               ({scheduled}, {owner}, {owner}, 'x', 'followers', 10, 'scheduled', NULL, NULL),
               ({ended}, {owner}, {owner}, 'x', 'followers', 10, 'ended', now(), now()),
               ({undigested}, {owner}, {owner}, 'x', 'followers', 10, 'ended', now(), now());
    INSERT INTO room_roles (room_id, user_id, role, is_muted)
        VALUES ({room}, {cohost}, 'cohost', false), ({room}, {speaker}, 'speaker', false),
               ({room}, {muted}, 'listener', true), ({recorded}, {cohost}, 'cohost', false),
               ({scheduled}, {cohost}, 'cohost', false), ({ended}, {cohost}, 'cohost', false),
               ({ended}, {speaker}, 'speaker', false);
    INSERT INTO room_turns (room_id, user_id) VALUES ({room}, {owner}), ({room}, {speaker}), ({room}, {other});
    INSERT INTO room_turns (room_id, user_id, ended_at) VALUES ({ended}, {owner}, now());
    INSERT INTO room_bans (room_id, user_id, actor_id) VALUES ({room}, {banned}, {owner}), ({ended}, {open}, {owner});
    INSERT INTO room_invitations (room_id, user_id, inviter_id) VALUES ({room}, {asker}, {owner});
    INSERT INTO room_messages (id, room_id, sender_id, text, deleted_at)
        VALUES ({message}, {room}, {other}, 'x', NULL), ({deleted_message}, {room}, {other}, 'x', now()),
               ({owner_message}, {room}, {owner}, 'x', NULL);
    INSERT INTO room_digests (room_id, body) VALUES ({ended}, '{{}}');
    INSERT INTO room_recordings (id, room_id, started_by, state, object_key, ended_at)
        VALUES ({recording}, {recorded}, {owner}, 'recording', 'private/{recording}/abcdefghijklmnopqrstuv/', NULL),
               ({stopping_recording}, {ended}, {owner}, 'stopping',
                'private/{stopping_recording}/abcdefghijklmnopqrstuv/', now()),
               ({saved_recording}, {room}, {owner}, 'saved',
                'private/{saved_recording}/abcdefghijklmnopqrstuv/', now());

    INSERT INTO chats (id, kind, title, creator_id, last_seq) VALUES ({chat}, 'group', 'x', {owner}, 3);
    INSERT INTO chats (id, kind, creator_id, low_id, high_id, last_seq) VALUES
        ({direct}, 'direct', {owner}, least({owner}, {other}), greatest({owner}, {other}), 1),
        ({hidden_direct}, 'direct', {owner}, least({owner}, {blocked}), greatest({owner}, {blocked}), 1);
    INSERT INTO chat_members (chat_id, user_id, role, state)
        VALUES ({chat}, {owner}, 'owner', 'active'), ({chat}, {cohost}, 'admin', 'active'),
               ({chat}, {other}, 'member', 'active'), ({chat}, {muted}, 'member', 'requested'),
               ({chat}, {banned}, 'member', 'left'),
               ({direct}, {owner}, 'member', 'active'), ({direct}, {other}, 'member', 'active'),
               ({hidden_direct}, {owner}, 'member', 'active'), ({hidden_direct}, {blocked}, 'member', 'active');
    INSERT INTO chat_messages (chat_id, seq, sender_id, text, deleted_at)
        VALUES ({chat}, 1, {owner}, 'x', NULL), ({chat}, 2, {other}, 'x', NULL), ({chat}, 3, {other}, '', now()),
               ({direct}, 1, {other}, 'x', NULL), ({hidden_direct}, 1, {owner}, 'x', NULL);
    INSERT INTO chat_edits (chat_id, seq, number, text, written_at) VALUES ({chat}, 1, 1, 'y', now());
    INSERT INTO chat_reactions (chat_id, seq, user_id, emoji)
        VALUES ({chat}, 2, {other}, 'x'), ({chat}, 2, {banned}, 'x'), ({hidden_direct}, 1, {owner}, 'x');
    INSERT INTO chat_hidden (chat_id, user_id, seq) VALUES ({chat}, {other}, 3);
    UPDATE chat_members SET read_seq = 1 WHERE chat_id = {chat} AND user_id = {other};
    INSERT INTO chat_reads (chat_id, user_id, seqs, ats) VALUES ({chat}, {owner}, ARRAY [1], ARRAY [now()]);
    INSERT INTO notifications (id, user_id, kind, target_type, target_id, place, actor_ids, actor_count)
        VALUES ({notification}, {owner}, 'follow', 'user', {owner}, 'list', ARRAY [{other}], 1),
               ({filtered_notification}, {owner}, 'mention', 'user', {speaker}, 'filtered', ARRAY [{speaker}], 1),
               ({told_message}, {owner}, 'system', 'system_message', {system_message}, 'list', '{{}}', 0);
    INSERT INTO notification_causes
        (user_id, kind, target_type, target_id, actor_id, event_id, notification_id, created_at)
        VALUES ({owner}, 'follow', 'user', {owner}, {other}, 1, {notification}, now()),
               ({owner}, 'follow', 'user', {owner}, {cohost}, 1, NULL, now() - interval '91 days'),
               ({owner}, 'system', 'system_message', {system_message}, 0, 1, {told_message}, now()),
               ({other}, 'system', 'system_message', {system_message}, 0, 1, NULL, now());
    INSERT INTO system_messages (id, text) VALUES ({system_message}, 'x');
    INSERT INTO handled_events (event_id) VALUES ({owner} >> 24), ({post});
    INSERT INTO log_offsets (worker_group, topic, partition) VALUES ('g{owner}', 't', 0);
    INSERT INTO notification_preferences (user_id, strangers) VALUES ({owner}, 'filter');
    INSERT INTO notification_deliveries (notification_id, channel, user_id, due_at)
        VALUES ({notification}, 'push', {owner}, now());
    INSERT INTO media (id, owner_id, kind, status, content_type, filename, size_bytes, object_key, upload_id,
                       expires_at)
        SELECT id, owner, kind, status, kind || '/x', 'x', 9, 'private/' || id || '/', 'u', now() + age::interval
        FROM (VALUES ({upload}, {owner}, 'image', 'uploading', '1 day'),
                     ({upload_of_other}, {other}, 'video', 'processing', '1 day'),
                     ({loose_file}, {owner}, 'image', 'ready', '1 day'),
                     ({expired_file}, {owner}, 'image', 'ready', '-1 day')) AS files (id, owner, kind, status, age);
    INSERT INTO media (id, owner_id, kind, status, content_type, filename, size_bytes, object_key, target_type,
                       target_id, position)
        VALUES ({file}, {owner}, 'image', 'ready', 'image/png', 'x', 9, 'private/{file}/', 'post', {post}, 0);
    UPDATE users SET created_at = now() - interval '4 days'
        WHERE id IN ({star}, {cohost}, {other}, {stranger}, {muted});
    INSERT INTO dismissed_people (user_id, dismissed_id) VALUES ({owner}, {muted});
    INSERT INTO posts (id, author_id, text, visibility, reply_policy)
        VALUES ({star_post}, {star}, 'x', 'public', 'everyone');
    INSERT INTO post_tags (tag, post_id) VALUES ('tag{star_post}', {star_post});
    INSERT INTO tag_uses (tag, hour, user_id, post_id, spelling)
        VALUES ('tag{star_post}', date_trunc('hour', now()), {star}, {star_post}, 'x');
    INSERT INTO tag_hours (place, tag, hour, people)
        VALUES ('place{star}', 'tag{star_post}', date_trunc('hour', now()), 1);
    INSERT INTO tag_heat (place, tag, observed, usual) VALUES ('place{star}', 'tag{star_post}', 1, 1);
    INSERT INTO trends (place, position, tag, spelling, people, hours) VALUES ('place{star}', 1, 'x', 'x', 20, '{{}}');
    INSERT INTO rules (id, version, name, surfaces, expression, outcome, reason, message, saved_by)
        VALUES ({rule}, 1, 'x', '{{room}}', 'false', 'hold', 'spam', '', {banned});
    INSERT INTO term_lists (id, name, match, version, saved_by)
        VALUES ({term_list}, 'list_{term_list}', 'word', 1, {banned});
    INSERT INTO terms (list_id, term, since) VALUES ({term_list}, 'casino', 1);
    INSERT INTO rule_hits (id, rule_id, rule_version, surface, outcome, user_id)
        VALUES (mint_id(), {rule}, 1, 'post', 'hold', {owner});
    INSERT INTO text_prints (id, surface, user_id) VALUES ({open_post}, 'post', {open});
    INSERT INTO cases (id, target_type, target_id, owner_id, source, reason, severity, snapshot, content_hash,
                       is_private, status, decided_at, action)
        VALUES ({case}, 'post', {open_post}, {open}, 'report', 'spam', 0, '{{}}', '', false, 'open', NULL, NULL),
               ({decided_case}, 'user', {open}, {open}, 'report', 'spam', 0, '{{}}', '', false, 'decided', now(),
                'warn');
    INSERT INTO case_acts (id, case_id, kind) VALUES ({case_act}, {case}, 'opened');
    INSERT INTO case_files (case_id, media_id, owner_id) VALUES ({case}, {file}, {owner});
    INSERT INTO reports (id, case_id, reporter_id, reason, weight) VALUES ({report}, {case}, {other}, 'spam', 0.5);
    INSERT INTO reporters (user_id, upheld) VALUES ({other}, 1);
    INSERT INTO decisions (id, target_type, target_id, user_id, action, reason, decided_by)
        VALUES ({decision}, 'post', {star_post}, {star}, 'limit', 'spam', {muted});
    INSERT INTO statements (decision_id, user_id, decision_ground, facts, category, content_type, source,
                            automated_detection, automated_decision, language)
        VALUES ({decision}, {star}, 'x', 'x', 'x', 'x', 'x', false, false, 'en');
    INSERT INTO cases (id, target_type, target_id, owner_id, source, reason, severity, snapshot, content_hash,
                       is_private)
        VALUES ({appeal_case}, 'post', {star_post}, {star}, 'appeal', 'spam', 0, '{{}}', '', false);
    INSERT INTO appeals (id, decision_id, user_id, text, case_id, due_at)
        VALUES ({appeal}, {decision}, {star}, 'x', {appeal_case}, now());
    INSERT INTO post_people (post_id, user_id) VALUES ({star_post}, {other});
    INSERT INTO post_heat (post_id, heat, is_video) VALUES ({star_post}, 1, true), ({post}, 1, true);
"""
