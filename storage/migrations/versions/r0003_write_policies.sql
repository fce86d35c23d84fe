-- The write side of row policies. A column grant says which columns a role may write, a policy says which rows with
-- which values, and a trigger compares the old row with the new one where a policy cannot.
-- tests/storage/policies holds the table of what is allowed; a new table, grant or function needs a row there.

-- No role may execute a new function until it is granted.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

---------------------------------------------------------------------------------------------------- columns

-- The application may not write ids, counts, times and states that the database or workers decide.
REVOKE INSERT, UPDATE ON accounts, sessions, follows, blocks, mutes, circles, circle_members, post_mentions, outbox,
    idempotency, audit, room_roles, room_bans, room_invitations, room_messages FROM daira_app;
GRANT INSERT (user_id, email, email_key, password_hash, birth_date, locale), UPDATE (password_hash)
    ON accounts TO daira_app;
GRANT INSERT (id, user_id, family_hash, refresh_hash, device_name, fingerprint, ip, user_agent, expires_at),
    UPDATE (refresh_hash, previous_hash, rotated_at, last_seen_at, expires_at, revoked_at, revoked_reason)
    ON sessions TO daira_app;
GRANT INSERT (id, follower_id, followee_id, status), UPDATE (status) ON follows TO daira_app;
GRANT INSERT (blocker_id, blocked_id, reason) ON blocks TO daira_app;
GRANT INSERT (user_id, muted_id, kind, until), UPDATE (until) ON mutes TO daira_app;
GRANT INSERT (id, owner_id, name), UPDATE (name) ON circles TO daira_app;
GRANT INSERT (circle_id, owner_id, user_id) ON circle_members TO daira_app;
GRANT INSERT (post_id, author_id, user_id) ON post_mentions TO daira_app;
GRANT INSERT (id, topic, key, payload) ON outbox TO daira_app;
GRANT INSERT (user_id, method, key, request_hash, answer), UPDATE (request_hash, answer, created_at)
    ON idempotency TO daira_app;
GRANT INSERT (id, actor_id, action, resource, changes, ip, user_agent) ON audit TO daira_app;
GRANT INSERT (room_id, user_id, role, is_muted), UPDATE (role, is_muted, granted_at) ON room_roles TO daira_app;
GRANT INSERT (room_id, user_id, actor_id, reason, until), UPDATE (actor_id, reason, until) ON room_bans TO daira_app;
GRANT INSERT (room_id, user_id, inviter_id) ON room_invitations TO daira_app;
GRANT INSERT (id, room_id, sender_id, text), UPDATE (deleted_at) ON room_messages TO daira_app;

-- The time when an audit row was really written. Its id comes from the application.
ALTER TABLE audit ADD recorded_at timestamptz NOT NULL DEFAULT now();

---------------------------------------------------------------------------------------------------- people, graph, posts

DROP POLICY self ON users;
DROP POLICY registered ON users;
CREATE POLICY registered ON users FOR INSERT TO daira_app
    WITH CHECK (id = viewer_id() AND username_key = lower(username));
CREATE POLICY changed ON users FOR UPDATE TO daira_app
    USING (id = viewer_id() AND status = 'active') WITH CHECK (id = viewer_id());

DROP POLICY self ON accounts;
CREATE POLICY self ON accounts TO daira_app USING (user_id = viewer_id()) WITH CHECK (user_id = viewer_id());

-- A revoked or expired session cannot be changed.
DROP POLICY self ON sessions;
CREATE POLICY self ON sessions FOR SELECT TO daira_app USING (user_id = viewer_id());
CREATE POLICY opened ON sessions FOR INSERT TO daira_app WITH CHECK (user_id = viewer_id());
CREATE POLICY changed ON sessions FOR UPDATE TO daira_app
    USING (user_id = viewer_id() AND revoked_at IS NULL AND expires_at > now()) WITH CHECK (user_id = viewer_id());

CREATE FUNCTION is_open_now(person bigint) RETURNS boolean LANGUAGE sql RETURN NULL::boolean;

-- A follow of a private account begins as a request, which only its owner accepts. A trigger enforces blocks.
DROP POLICY asked ON follows;
DROP POLICY accepted ON follows;
CREATE POLICY asked ON follows FOR INSERT TO daira_app
    WITH CHECK (follower_id = viewer_id() AND (status = 'pending' OR is_open_now(followee_id)));
CREATE POLICY accepted ON follows FOR UPDATE TO daira_app
    USING (followee_id = viewer_id() AND status = 'pending')
    WITH CHECK (followee_id = viewer_id() AND status = 'active');

DROP POLICY self ON blocks;
CREATE POLICY self ON blocks TO daira_app USING (blocker_id = viewer_id()) WITH CHECK (blocker_id = viewer_id());
DROP POLICY self ON mutes;
CREATE POLICY self ON mutes TO daira_app USING (user_id = viewer_id()) WITH CHECK (user_id = viewer_id());
DROP POLICY self ON circles;
CREATE POLICY self ON circles TO daira_app USING (owner_id = viewer_id()) WITH CHECK (owner_id = viewer_id());
DROP POLICY self ON circle_members;
CREATE POLICY self ON circle_members TO daira_app USING (owner_id = viewer_id()) WITH CHECK (owner_id = viewer_id()
    AND EXISTS (SELECT FROM circles c WHERE c.id = circle_id AND c.owner_id = viewer_id()));

-- A deleted post cannot be changed.
DROP POLICY written ON posts;
DROP POLICY changed ON posts;
CREATE POLICY written ON posts FOR INSERT TO daira_app WITH CHECK (author_id = viewer_id() AND (
    circle_id IS NULL OR EXISTS (SELECT FROM circles c WHERE c.id = circle_id AND c.owner_id = viewer_id())));
CREATE POLICY changed ON posts FOR UPDATE TO daira_app
    USING (author_id = viewer_id() AND status = 'published')
    WITH CHECK (author_id = viewer_id() AND (status = 'deleted') = (deleted_at IS NOT NULL));

-- A mention must be one of its post's mention_ids.
DROP POLICY written ON post_mentions;
CREATE POLICY written ON post_mentions FOR INSERT TO daira_app WITH CHECK (author_id = viewer_id() AND EXISTS (
    SELECT FROM posts p WHERE p.id = post_id AND p.author_id = viewer_id() AND p.status = 'published'
        AND user_id = ANY (p.mention_ids)));

-- An answer with a later time would never be deleted.
DROP POLICY self ON idempotency;
CREATE POLICY self ON idempotency TO daira_app
    USING (user_id = viewer_id()) WITH CHECK (user_id = viewer_id() AND created_at = now());

---------------------------------------------------------------------------------------------------- live rooms

CREATE FUNCTION may_place(room bigint, person bigint, given text) RETURNS boolean LANGUAGE sql RETURN NULL::boolean;
CREATE FUNCTION may_speak(room bigint) RETURNS boolean LANGUAGE sql RETURN NULL::boolean;

DROP POLICY opened ON rooms;
CREATE POLICY opened ON rooms FOR INSERT TO daira_app WITH CHECK (owner_id = viewer_id() AND host_id = viewer_id() AND (
    circle_id IS NULL OR EXISTS (SELECT FROM circles c WHERE c.id = circle_id AND c.owner_id = viewer_id())));
DROP POLICY moderated ON rooms;
CREATE POLICY moderated ON rooms FOR UPDATE TO daira_app
    USING (moderates_room(id)) WITH CHECK ((state = 'ended') = (ended_at IS NOT NULL));

CREATE FUNCTION room_change_allowed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER room_change_allowed BEFORE UPDATE ON rooms FOR EACH ROW EXECUTE FUNCTION room_change_allowed();

DROP POLICY moderated ON room_roles;
CREATE POLICY given ON room_roles FOR INSERT TO daira_app WITH CHECK (may_place(room_id, user_id, role));
CREATE POLICY changed ON room_roles FOR UPDATE TO daira_app
    USING (may_place(room_id, user_id, role)) WITH CHECK (may_place(room_id, user_id, role));
CREATE POLICY taken ON room_roles FOR DELETE TO daira_app USING (may_place(room_id, user_id, role));

DROP POLICY ended ON room_turns;
CREATE POLICY ended ON room_turns FOR UPDATE TO daira_app
    USING (ended_at IS NULL AND (user_id = viewer_id() OR moderates_room(room_id)))
    WITH CHECK (ended_at <= clock_timestamp());

DROP POLICY moderated ON room_bans;
CREATE POLICY given ON room_bans FOR INSERT TO daira_app WITH CHECK (
    actor_id = viewer_id() AND user_id <> viewer_id() AND may_place(room_id, user_id, 'listener'));
CREATE POLICY changed ON room_bans FOR UPDATE TO daira_app
    USING (moderates_room(room_id))
    WITH CHECK (actor_id = viewer_id() AND may_place(room_id, user_id, 'listener'));
CREATE POLICY lifted ON room_bans FOR DELETE TO daira_app USING (moderates_room(room_id));

DROP POLICY invited ON room_invitations;
CREATE POLICY invited ON room_invitations FOR INSERT TO daira_app WITH CHECK (
    inviter_id = viewer_id() AND moderates_room(room_id) AND EXISTS (SELECT FROM users u WHERE u.id = user_id));

DROP POLICY sent ON room_messages;
CREATE POLICY sent ON room_messages FOR INSERT TO daira_app
    WITH CHECK (sender_id = viewer_id() AND may_speak(room_id));

---------------------------------------------------------------------------------------------------- outbox and audit

CREATE FUNCTION may_tell_of_post(topic text, key text, event jsonb) RETURNS boolean LANGUAGE sql RETURN NULL::boolean;
CREATE FUNCTION may_tell_of_graph(topic text, key text, event jsonb) RETURNS boolean LANGUAGE sql RETURN NULL::boolean;
CREATE FUNCTION may_tell_of_session(topic text, key text, event jsonb) RETURNS boolean LANGUAGE sql RETURN NULL::boolean;
CREATE FUNCTION may_tell_of_room(topic text, key text, event jsonb) RETURNS boolean LANGUAGE sql RETURN NULL::boolean;

DROP POLICY added ON outbox;
CREATE POLICY of_posts ON outbox FOR INSERT TO daira_app
    WITH CHECK (topic LIKE 'post.%' AND may_tell_of_post(topic, key, convert_from(payload, 'UTF8')::jsonb));
CREATE POLICY of_graph ON outbox FOR INSERT TO daira_app
    WITH CHECK (topic LIKE 'graph.%' AND may_tell_of_graph(topic, key, convert_from(payload, 'UTF8')::jsonb));
CREATE POLICY of_sessions ON outbox FOR INSERT TO daira_app
    WITH CHECK (topic LIKE 'session.%' AND may_tell_of_session(topic, key, convert_from(payload, 'UTF8')::jsonb));
CREATE POLICY of_rooms ON outbox FOR INSERT TO daira_app
    WITH CHECK (topic LIKE 'room.%' AND may_tell_of_room(topic, key, convert_from(payload, 'UTF8')::jsonb));

-- An audit row names the viewer, so that no user can write rows about another one's actions. A failed login has no
-- viewer, only the account that it was for.
DROP POLICY written ON audit;
CREATE POLICY written ON audit FOR INSERT TO daira_app
    WITH CHECK (actor_id = viewer_id() OR viewer_id() IS NULL AND action = 'auth.login_failed');

---------------------------------------------------------------------------------------------------- workers

-- Workers may read these tables, and write only what these lines name.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY ['users', 'follows', 'blocks', 'mutes', 'circles', 'circle_members', 'posts',
        'post_mentions', 'outbox', 'idempotency', 'rooms', 'room_roles', 'room_turns', 'room_bans', 'room_invitations',
        'room_messages', 'room_digests'] LOOP
        EXECUTE format('DROP POLICY worker ON %I', name);
        EXECUTE format('CREATE POLICY worker_reads ON %I FOR SELECT TO daira_worker USING (true)', name);
    END LOOP;
END $$;
DROP POLICY worker ON audit;

REVOKE SELECT ON idempotency FROM daira_worker;
GRANT SELECT (user_id, method, key, created_at) ON idempotency TO daira_worker;
REVOKE INSERT ON outbox, audit, room_digests FROM daira_worker;
REVOKE INSERT, UPDATE ON room_roles FROM daira_worker;
GRANT INSERT (id, topic, key, payload) ON outbox TO daira_worker;
GRANT INSERT (id, actor_id, action, resource, changes, ip, user_agent) ON audit TO daira_worker;
GRANT INSERT (room_id, body) ON room_digests TO daira_worker;
GRANT INSERT (room_id, user_id, role), UPDATE (role, granted_at) ON room_roles TO daira_worker;

-- is_large, the only column of users that workers may change.
CREATE POLICY worker_changes ON users FOR UPDATE TO daira_worker USING (true) WITH CHECK (true);
-- The relay.
CREATE POLICY worker_changes ON outbox FOR UPDATE TO daira_worker USING (true) WITH CHECK (true);
CREATE POLICY worker_deletes ON outbox FOR DELETE TO daira_worker USING (sent_at IS NOT NULL);
CREATE POLICY worker_deletes ON idempotency FOR DELETE TO daira_worker USING (created_at < now() - interval '24 hours');
-- The keeper of live rooms gives them a new host, or ends them.
CREATE POLICY worker_changes ON rooms FOR UPDATE TO daira_worker
    USING (state = 'live') WITH CHECK (state = 'live' AND ended_at IS NULL OR state = 'ended' AND ended_at IS NOT NULL);
CREATE POLICY worker_adds ON room_roles FOR INSERT TO daira_worker WITH CHECK (role = 'cohost');
CREATE POLICY worker_changes ON room_roles FOR UPDATE TO daira_worker USING (true) WITH CHECK (role = 'cohost');
CREATE POLICY worker_deletes ON room_roles FOR DELETE TO daira_worker USING (true);
CREATE POLICY worker_changes ON room_turns FOR UPDATE TO daira_worker
    USING (ended_at IS NULL) WITH CHECK (ended_at <= clock_timestamp());
CREATE POLICY worker_adds ON outbox FOR INSERT TO daira_worker WITH CHECK (topic IN ('room.changed', 'room.closed'));
CREATE POLICY worker_adds ON audit FOR INSERT TO daira_worker
    WITH CHECK (actor_id IS NULL AND action IN ('room.close', 'room.hand_over'));
-- Workers trim the messages of rooms, and store digests once rooms have ended.
CREATE POLICY worker_deletes ON room_messages FOR DELETE TO daira_worker USING (true);
CREATE POLICY worker_adds ON room_digests FOR INSERT TO daira_worker
    WITH CHECK (EXISTS (SELECT FROM rooms r WHERE r.id = room_id AND r.state = 'ended'));
