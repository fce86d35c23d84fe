-- Who is in a room now lives in Redis. Here is what must not be lost: rooms, roles, bans, what was said, digests.

---------------------------------------------------------------------------------------------------- rooms

CREATE TABLE rooms (
    id          bigint PRIMARY KEY,
    owner_id    bigint NOT NULL REFERENCES users,   -- who opened it: `visibility` speaks of their followers and circles
    host_id     bigint NOT NULL REFERENCES users,   -- one column, so there is never more than one
    topic       text NOT NULL,
    state       text NOT NULL DEFAULT 'scheduled' CHECK (state IN ('scheduled', 'live', 'ended')),
    visibility  text NOT NULL CHECK (visibility IN ('public', 'followers', 'circle', 'private')),
    circle_id   bigint,
    capacity    integer NOT NULL,
    slow_mode_s integer NOT NULL DEFAULT 0,
    starts_at   timestamptz,
    started_at  timestamptz,
    ended_at    timestamptz,
    version     integer NOT NULL DEFAULT 1,
    CHECK ((visibility = 'circle') = (circle_id IS NOT NULL))
);
CREATE INDEX rooms_by_state ON rooms (state, id DESC);
CREATE INDEX rooms_public ON rooms (state, id DESC) WHERE visibility = 'public';
CREATE INDEX rooms_of_owner ON rooms (owner_id, state, id DESC);
CREATE INDEX rooms_of_host ON rooms (host_id, state, id DESC);
CREATE INDEX rooms_of_circle ON rooms (circle_id, state, id DESC) WHERE circle_id IS NOT NULL;

-- All but the host and plain listeners; a listener has a row while muted.
CREATE TABLE room_roles (
    room_id    bigint NOT NULL REFERENCES rooms ON DELETE CASCADE,
    user_id    bigint NOT NULL REFERENCES users,
    role       text NOT NULL CHECK (role IN ('cohost', 'speaker', 'listener')),
    is_muted   boolean NOT NULL DEFAULT false,
    granted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (room_id, user_id)
);
CREATE INDEX room_roles_of_user ON room_roles (user_id) WHERE role <> 'listener';

-- When who was on the stage and in the room.
CREATE TABLE room_turns (
    room_id  bigint NOT NULL REFERENCES rooms ON DELETE CASCADE,
    user_id  bigint NOT NULL REFERENCES users,
    began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz
);
CREATE UNIQUE INDEX room_turns_open ON room_turns (room_id, user_id) WHERE ended_at IS NULL;
CREATE INDEX room_turns_of_room ON room_turns (room_id);

CREATE TABLE room_bans (
    room_id    bigint NOT NULL REFERENCES rooms ON DELETE CASCADE,
    user_id    bigint NOT NULL REFERENCES users,
    actor_id   bigint NOT NULL REFERENCES users,
    reason     text,
    until      timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (room_id, user_id)
);

CREATE TABLE room_invitations (
    room_id    bigint NOT NULL REFERENCES rooms ON DELETE CASCADE,
    user_id    bigint NOT NULL REFERENCES users,
    inviter_id bigint NOT NULL REFERENCES users,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (room_id, user_id)
);
CREATE INDEX room_invitations_of_user ON room_invitations (user_id);

CREATE TABLE room_messages (
    id         bigint PRIMARY KEY,
    room_id    bigint NOT NULL REFERENCES rooms ON DELETE CASCADE,
    sender_id  bigint NOT NULL REFERENCES users,
    text       text NOT NULL,
    deleted_at timestamptz
);
CREATE INDEX room_messages_of_room ON room_messages (room_id, id DESC);

CREATE TABLE room_digests (
    room_id    bigint PRIMARY KEY REFERENCES rooms ON DELETE CASCADE,
    body       bytea NOT NULL,                      -- JSON, as room.digest answers it
    created_at timestamptz NOT NULL DEFAULT now()
);

---------------------------------------------------------------------------------------------------- presence

-- What people chose to show; where they are online stands in Redis.
ALTER TABLE users
    ADD presence_status text NOT NULL DEFAULT 'online' CHECK (presence_status IN ('online', 'away', 'busy', 'invisible')),
    ADD presence_text text NOT NULL DEFAULT '',
    ADD presence_version integer NOT NULL DEFAULT 0,
    ADD presence_audience text NOT NULL DEFAULT 'everyone' CHECK (presence_audience IN ('everyone', 'followers', 'nobody'));

---------------------------------------------------------------------------------------------------- who may

-- The person's place in the room by what lasts: null where there is none but a listener's.
CREATE FUNCTION room_role(room bigint, person bigint) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN (SELECT CASE WHEN r.host_id = person THEN 'host'
                        ELSE (SELECT o.role FROM public.room_roles o WHERE o.room_id = room AND o.user_id = person) END
            FROM public.rooms r WHERE r.id = room);

CREATE FUNCTION moderates_room(room bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN coalesce(public.room_role(room, public.viewer_id()) IN ('host', 'cohost'), false);

-- Also who is banned sees the room, and who is on its stage; messages and everything else are refused to them.
CREATE FUNCTION room_visible_to(person bigint, room bigint, owner bigint, host bigint, visibility text, circle bigint)
    RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF person IS NULL THEN RETURN false; END IF;
    IF person IN (owner, host) THEN RETURN true; END IF;
    IF EXISTS (SELECT FROM blocks WHERE blocker_id = person AND blocked_id IN (owner, host))
        OR EXISTS (SELECT FROM blocks WHERE blocker_id IN (owner, host) AND blocked_id = person) THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM room_invitations WHERE room_id = room AND user_id = person)
        OR EXISTS (SELECT FROM room_roles r WHERE r.room_id = room AND r.user_id = person AND r.role <> 'listener') THEN
        RETURN true;
    END IF;
    IF visibility = 'private' THEN RETURN false; END IF;
    IF visibility = 'circle' THEN
        RETURN EXISTS (SELECT FROM circle_members WHERE circle_id = circle AND user_id = person);
    END IF;
    IF visibility = 'public' AND EXISTS (SELECT FROM users WHERE id = owner AND NOT is_private) THEN
        RETURN true;
    END IF;
    RETURN EXISTS (SELECT FROM follows WHERE follower_id = person AND followee_id = owner AND status = 'active');
END $$;

CREATE FUNCTION room_visible(room bigint, owner bigint, host bigint, visibility text, circle bigint) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = public, pg_temp
    RETURN public.room_visible_to(public.viewer_id(), room, owner, host, visibility, circle);

CREATE FUNCTION sees_room(room bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN EXISTS (SELECT FROM public.rooms r WHERE r.id = room
                   AND public.room_visible(r.id, r.owner_id, r.host_id, r.visibility, r.circle_id));

-- Rooms in one of those states that the viewer may see, newest first. From each reason to see one, so that what others
-- keep to themselves is not passed over one by one.
CREATE FUNCTION rooms_shown(states text[], before bigint, amount integer) RETURNS TABLE (room_id bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp ROWS 20 AS $$
    SELECT found.id FROM (
        SELECT r.id FROM unnest(states) AS asked (state) CROSS JOIN LATERAL (
            SELECT id FROM rooms WHERE visibility = 'public' AND state = asked.state AND id < before
                AND room_visible(id, owner_id, host_id, visibility, circle_id) ORDER BY id DESC LIMIT amount) r
        UNION
        SELECT r.id FROM unnest(states) AS asked (state), follows f CROSS JOIN LATERAL (
            SELECT id FROM rooms WHERE owner_id = f.followee_id AND state = asked.state AND id < before
                AND room_visible(id, owner_id, host_id, visibility, circle_id) ORDER BY id DESC LIMIT amount) r
        WHERE f.follower_id = viewer_id() AND f.status = 'active'
        UNION
        SELECT r.id FROM unnest(states) AS asked (state), circle_members m CROSS JOIN LATERAL (
            SELECT id FROM rooms WHERE circle_id = m.circle_id AND state = asked.state AND id < before
                AND room_visible(id, owner_id, host_id, visibility, circle_id) ORDER BY id DESC LIMIT amount) r
        WHERE m.user_id = viewer_id()
        UNION
        SELECT r.id FROM unnest(states) AS asked (state) CROSS JOIN LATERAL (
            SELECT id FROM rooms WHERE owner_id = viewer_id() AND state = asked.state AND id < before
            ORDER BY id DESC LIMIT amount) r
        UNION
        SELECT r.id FROM unnest(states) AS asked (state) CROSS JOIN LATERAL (
            SELECT id FROM rooms WHERE host_id = viewer_id() AND state = asked.state AND id < before
            ORDER BY id DESC LIMIT amount) r
        UNION
        SELECT r.id FROM (
            SELECT i.room_id FROM room_invitations i WHERE i.user_id = viewer_id()
            UNION SELECT o.room_id FROM room_roles o WHERE o.user_id = viewer_id() AND o.role <> 'listener') AS named
        JOIN rooms r ON r.id = named.room_id
        WHERE r.state = ANY (states) AND r.id < before
            AND room_visible(r.id, r.owner_id, r.host_id, r.visibility, r.circle_id)) AS found
    ORDER BY found.id DESC LIMIT amount
$$;

-- Who among those people may stay in which of the live rooms they are in, and as what.
CREATE FUNCTION may_stay(rooms_asked bigint[], people bigint[])
    RETURNS TABLE (room_id bigint, user_id bigint, owner_id bigint, capacity integer, role text, version integer)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT r.id, pair.person, r.owner_id, r.capacity, coalesce(room_role(r.id, pair.person), 'listener'), r.version
    FROM unnest(rooms_asked, people) AS pair (room, person)
    JOIN rooms r ON r.id = pair.room AND r.state <> 'ended'
    WHERE room_visible_to(pair.person, r.id, r.owner_id, r.host_id, r.visibility, r.circle_id)
      AND NOT EXISTS (SELECT FROM room_bans b WHERE b.room_id = r.id AND b.user_id = pair.person
                      AND (b.until IS NULL OR b.until > now()))
$$;

-- The same of watching people's presence.
CREATE FUNCTION may_watch(watched bigint[], watchers bigint[]) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT pair.number
    FROM unnest(watched, watchers) WITH ORDINALITY AS pair (person, watcher, number)
    JOIN users u ON u.id = pair.person AND u.status = 'active'
    WHERE pair.watcher = pair.person OR (
        u.presence_audience <> 'nobody'
        AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = pair.person AND b.blocked_id = pair.watcher)
        AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = pair.watcher AND b.blocked_id = pair.person)
        AND (NOT u.is_private AND u.presence_audience = 'everyone'
             OR EXISTS (SELECT FROM follows f WHERE f.follower_id = pair.watcher AND f.followee_id = pair.person
                        AND f.status = 'active')))
$$;

-- What was said, newest first, short of those whom the viewer hides. A policy asked for each row would cost more than
-- the rows: this asks once.
CREATE FUNCTION room_messages_for(room bigint, before bigint, amount integer)
    RETURNS TABLE (id bigint, room_id bigint, text text, sender_id bigint, username text, display_name text,
                   avatar_url text, is_verified boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT m.id, m.room_id, m.text, u.id, u.username, u.display_name, u.avatar_url, u.is_verified
    FROM room_messages m JOIN users u ON u.id = m.sender_id
    WHERE m.room_id = room AND m.id < before AND m.deleted_at IS NULL AND sees_room(room)
      AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = viewer_id() AND b.blocked_id = m.sender_id)
      AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = m.sender_id AND b.blocked_id = viewer_id())
      AND NOT EXISTS (SELECT FROM mutes x WHERE x.user_id = viewer_id() AND x.muted_id = m.sender_id
                      AND x.kind = 'all' AND (x.until IS NULL OR x.until > now()))
    ORDER BY m.id DESC LIMIT amount
$$;

-- People in a room as one of them sees the others: without those who block them or whom they block or mute.
CREATE FUNCTION room_people(room bigint, people bigint[])
    RETURNS TABLE (id bigint, username text, display_name text, avatar_url text, is_verified boolean, role text,
                   is_muted boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT u.id, u.username, u.display_name, u.avatar_url, u.is_verified,
           CASE WHEN r.host_id = u.id THEN 'host' ELSE coalesce(o.role, 'listener') END, coalesce(o.is_muted, false)
    FROM rooms r JOIN users u ON u.id = ANY (people) AND u.status = 'active'
    LEFT JOIN room_roles o ON o.room_id = r.id AND o.user_id = u.id
    WHERE r.id = room
      AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = viewer_id() AND b.blocked_id = u.id)
      AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = u.id AND b.blocked_id = viewer_id())
      AND NOT EXISTS (SELECT FROM mutes x WHERE x.user_id = viewer_id() AND x.muted_id = u.id
                      AND x.kind = 'all' AND (x.until IS NULL OR x.until > now()))
$$;

-- Whoever is on the stage may leave it, which counts as a change of the room. Answers its version.
CREATE FUNCTION step_down(room bigint) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    counted integer;
BEGIN
    UPDATE rooms SET version = version + 1 WHERE id = room AND state <> 'ended'
        AND EXISTS (SELECT FROM room_roles o WHERE o.room_id = room AND o.user_id = viewer_id() AND o.role <> 'listener')
    RETURNING version INTO counted;
    IF counted IS NOT NULL THEN
        UPDATE room_roles SET role = 'listener' WHERE room_id = room AND user_id = viewer_id();
        UPDATE room_turns SET ended_at = clock_timestamp()
        WHERE room_id = room AND user_id = viewer_id() AND ended_at IS NULL;
    END IF;
    RETURN counted;
END $$;

-- Against whoever begins or ends a turn, takes a role or bans at this moment, until this transaction ends.
CREATE FUNCTION lock_turns(room bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT FROM rooms WHERE id = room FOR NO KEY UPDATE
$$;

-- Somebody of the stage is in the room from now on. The caller has locked the room.
CREATE FUNCTION begin_turn(room bigint, person bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM rooms WHERE id = room AND state = 'live';
    IF FOUND AND (person = viewer_id() OR moderates_room(room)) AND room_role(room, person) IN ('host', 'cohost', 'speaker')
        AND NOT EXISTS (SELECT FROM room_bans b WHERE b.room_id = room AND b.user_id = person
                        AND (b.until IS NULL OR b.until > now())) THEN
        INSERT INTO room_turns (room_id, user_id) VALUES (room, person) ON CONFLICT DO NOTHING;
    END IF;
END $$;

-- Whom an act of moderation is done to: also somebody who has blocked the moderator.
CREATE FUNCTION room_target(room bigint, person bigint) RETURNS TABLE (id bigint, role text, is_banned boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT u.id, coalesce(room_role(room, u.id), 'listener'),
           EXISTS (SELECT FROM room_bans b WHERE b.room_id = room AND b.user_id = u.id
                   AND (b.until IS NULL OR b.until > now()))
    FROM users u WHERE u.id = person AND u.status = 'active' AND moderates_room(room)
$$;

-- Only the host gives the room away.
CREATE FUNCTION host_is_given() RETURNS trigger
    LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.host_id <> OLD.host_id AND viewer_id() IS NOT NULL AND viewer_id() <> OLD.host_id THEN
        RAISE insufficient_privilege USING MESSAGE = 'only the host gives the room away';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER host_is_given BEFORE UPDATE OF host_id ON rooms FOR EACH ROW EXECUTE FUNCTION host_is_given();

-- The room as everybody inside is shown it; nodes push it to them, on behalf of nobody.
CREATE FUNCTION room_for_all(room bigint)
    RETURNS TABLE (id bigint, host_id bigint, topic text, state text, visibility text, capacity integer,
                   slow_mode_s integer, starts_at timestamptz, started_at timestamptz, ended_at timestamptz,
                   version integer, username text, display_name text, avatar_url text, is_verified boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT r.id, r.host_id, r.topic, r.state, r.visibility, r.capacity, r.slow_mode_s, r.starts_at, r.started_at,
           r.ended_at, r.version, h.username, h.display_name, h.avatar_url, h.is_verified
    FROM rooms r JOIN users h ON h.id = r.host_id WHERE r.id = room AND viewer_id() IS NULL
$$;

---------------------------------------------------------------------------------------------------- sign-in

-- As before, with what the person chose to show, and until when each is hidden whole, and in posts: a mute of one kind
-- stands beside one of another, and a block beside both.
DROP FUNCTION sign_in;
CREATE FUNCTION sign_in(asked_sessions bigint[], asked_users bigint[])
    RETURNS TABLE (session_id bigint, id bigint, username text, display_name text, avatar_url text,
                   is_verified boolean, bio text, is_private boolean, follower_count integer, following_count integer,
                   post_count integer, created_at timestamptz, follows boolean, followed_by boolean,
                   requested boolean, blocks boolean, mutes boolean, presence_status text, presence_text text,
                   presence_version integer,
                   large_authors bigint[], hidden bigint[], hidden_until float8[], posts_hidden_until float8[])
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH asked AS (
        SELECT DISTINCT session, person FROM unnest(asked_sessions, asked_users) AS pairs (session, person)
    ), touched AS (
        UPDATE sessions SET last_seen_at = now() WHERE sessions.id IN (
            SELECT s.id FROM sessions s JOIN asked ON asked.session = s.id
            WHERE s.last_seen_at < now() - interval '1 minute' FOR NO KEY UPDATE SKIP LOCKED)
    ), hiding AS (
        SELECT person, blocked_id AS other, 'all' AS scope, 'infinity'::float8 AS until
        FROM blocks JOIN asked ON blocker_id = person
        UNION ALL
        SELECT person, blocker_id, 'all', 'infinity' FROM blocks JOIN asked ON blocked_id = person
        UNION ALL
        SELECT person, muted_id, kind, coalesce(extract(epoch FROM until)::float8, 'infinity')
        FROM mutes JOIN asked ON user_id = person
        WHERE kind IN ('all', 'posts') AND (until IS NULL OR until > now())
    ), hidden AS (
        SELECT person, array_agg(other) AS ids, array_agg(until) AS untils, array_agg(posts_until) AS posts_untils
        FROM (SELECT person, other, coalesce(max(until) FILTER (WHERE scope = 'all'), 0) AS until,
                     coalesce(max(until) FILTER (WHERE scope = 'posts'), 0) AS posts_until
              FROM hiding GROUP BY person, other) each_other
        GROUP BY person
    )
    SELECT s.id, u.id, u.username, u.display_name, u.avatar_url, u.is_verified, u.bio, u.is_private,
           u.follower_count, u.following_count, u.post_count, u.created_at, false, false, false, false, false,
           u.presence_status, u.presence_text, u.presence_version,
           ARRAY(SELECT f.followee_id FROM follows f JOIN users a ON a.id = f.followee_id
                 WHERE f.follower_id = u.id AND f.status = 'active' AND a.is_large
                   AND NOT f.followee_id = ANY (coalesce(h.ids, '{}'))),
           coalesce(h.ids, '{}'), coalesce(h.untils, '{}'), coalesce(h.posts_untils, '{}')
    FROM asked
    JOIN sessions s ON s.id = asked.session AND s.user_id = asked.person AND s.revoked_at IS NULL
    JOIN users u ON u.id = s.user_id AND u.status = 'active'
    LEFT JOIN hidden h ON h.person = u.id
$$;

---------------------------------------------------------------------------------------------------- doors

GRANT SELECT ON rooms, room_roles, room_turns, room_bans, room_invitations, room_messages, room_digests TO daira_app;
GRANT INSERT (id, owner_id, host_id, topic, visibility, circle_id, capacity, slow_mode_s, starts_at) ON rooms
    TO daira_app;
GRANT UPDATE (host_id, topic, state, capacity, slow_mode_s, started_at, ended_at, version) ON rooms TO daira_app;
GRANT INSERT, UPDATE, DELETE ON room_roles, room_bans TO daira_app;
GRANT UPDATE (ended_at) ON room_turns TO daira_app;
GRANT INSERT ON room_invitations, room_messages TO daira_app;
GRANT UPDATE (deleted_at) ON room_messages TO daira_app;
GRANT UPDATE (presence_status, presence_text, presence_version, presence_audience) ON users TO daira_app;

GRANT SELECT ON rooms, room_roles, room_turns, room_bans, room_invitations, room_messages, room_digests TO daira_worker;
GRANT UPDATE (host_id, state, ended_at, version) ON rooms TO daira_worker;
GRANT INSERT, UPDATE, DELETE ON room_roles TO daira_worker;
GRANT UPDATE (ended_at) ON room_turns TO daira_worker;
GRANT INSERT ON room_digests, outbox, audit TO daira_worker;
GRANT DELETE ON room_messages TO daira_worker;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
GRANT EXECUTE ON FUNCTION room_role, moderates_room, room_visible_to, room_visible, sees_room, rooms_shown, may_stay, may_watch,
    room_messages_for, room_people, room_for_all, step_down,
    lock_turns, begin_turn, room_target, sign_in TO daira_app;
GRANT EXECUTE ON FUNCTION take_turn, may_stay, room_people, room_for_all, room_visible_to, lock_turns TO daira_worker;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY ['rooms', 'room_roles', 'room_turns', 'room_bans', 'room_invitations', 'room_messages',
        'room_digests'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY worker ON %I TO daira_worker USING (true) WITH CHECK (true)', name);
    END LOOP;
END $$;
CREATE POLICY worker ON audit FOR INSERT TO daira_worker WITH CHECK (true);

CREATE POLICY visible ON rooms FOR SELECT TO daira_app
    USING (room_visible(id, owner_id, host_id, visibility, circle_id));
CREATE POLICY opened ON rooms FOR INSERT TO daira_app WITH CHECK (viewer_id() = ALL (ARRAY [owner_id, host_id]));
CREATE POLICY moderated ON rooms FOR UPDATE TO daira_app USING (moderates_room(id)) WITH CHECK (true);

CREATE POLICY visible ON room_roles FOR SELECT TO daira_app USING (sees_room(room_id));
CREATE POLICY moderated ON room_roles TO daira_app USING (moderates_room(room_id)) WITH CHECK (true);
CREATE POLICY visible ON room_turns FOR SELECT TO daira_app USING (user_id = viewer_id() OR sees_room(room_id));
CREATE POLICY ended ON room_turns FOR UPDATE TO daira_app USING (user_id = viewer_id() OR moderates_room(room_id));
CREATE POLICY party ON room_bans FOR SELECT TO daira_app USING (user_id = viewer_id() OR moderates_room(room_id));
CREATE POLICY moderated ON room_bans TO daira_app USING (moderates_room(room_id))
    WITH CHECK (moderates_room(room_id) AND room_role(room_id, user_id) IS DISTINCT FROM 'host');
CREATE POLICY party ON room_invitations FOR SELECT TO daira_app
    USING (viewer_id() IN (user_id, inviter_id) OR moderates_room(room_id));
CREATE POLICY invited ON room_invitations FOR INSERT TO daira_app
    WITH CHECK (inviter_id = viewer_id() AND moderates_room(room_id));
CREATE POLICY visible ON room_messages FOR SELECT TO daira_app USING (sees_room(room_id));
CREATE POLICY sent ON room_messages FOR INSERT TO daira_app 
    WITH CHECK (sender_id = viewer_id() AND sees_room(room_id));
CREATE POLICY deleted ON room_messages FOR UPDATE TO daira_app
    USING (deleted_at IS NULL AND (sender_id = viewer_id() OR moderates_room(room_id)))
    WITH CHECK (deleted_at IS NOT NULL);
CREATE POLICY visible ON room_digests FOR SELECT TO daira_app USING (sees_room(room_id));
