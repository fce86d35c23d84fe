-- The write side of row policies. A column grant says which columns a role may write, a policy says which rows with
-- which values, and a trigger compares the old row with the new one where a policy cannot.
-- tests/storage/policies holds the table of what is allowed; a new table, grant or function needs a row there.

-- Functions are for nobody until they are granted; so far each revision had to remember it.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

---------------------------------------------------------------------------------------------------- columns

-- Ids, counts, times and states that the database or the workers decide are out of the application's reach.
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

-- When an audit row was really written: its id is the application's word.
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

-- A session that was revoked or has expired stays so.
DROP POLICY self ON sessions;
CREATE POLICY self ON sessions FOR SELECT TO daira_app USING (user_id = viewer_id());
CREATE POLICY opened ON sessions FOR INSERT TO daira_app WITH CHECK (user_id = viewer_id());
CREATE POLICY changed ON sessions FOR UPDATE TO daira_app
    USING (user_id = viewer_id() AND revoked_at IS NULL AND expires_at > now()) WITH CHECK (user_id = viewer_id());

-- Volatile, so that it sees what was committed while a trigger of the same statement waited for a lock.
CREATE FUNCTION is_open_now(person bigint) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN EXISTS (SELECT FROM users u WHERE u.id = person AND u.status = 'active' AND NOT u.is_private);
END $$;

-- A follow of a private account begins as a request, which its owner alone accepts. Blocks refuse both by trigger.
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

-- A post that was deleted stays so.
DROP POLICY written ON posts;
DROP POLICY changed ON posts;
CREATE POLICY written ON posts FOR INSERT TO daira_app WITH CHECK (author_id = viewer_id() AND (
    circle_id IS NULL OR EXISTS (SELECT FROM circles c WHERE c.id = circle_id AND c.owner_id = viewer_id())));
CREATE POLICY changed ON posts FOR UPDATE TO daira_app
    USING (author_id = viewer_id() AND status = 'published')
    WITH CHECK (author_id = viewer_id() AND (status = 'deleted') = (deleted_at IS NOT NULL));

-- Mentions follow the post, which names the same people.
DROP POLICY written ON post_mentions;
CREATE POLICY written ON post_mentions FOR INSERT TO daira_app WITH CHECK (author_id = viewer_id() AND EXISTS (
    SELECT FROM posts p WHERE p.id = post_id AND p.author_id = viewer_id() AND p.status = 'published'
        AND user_id = ANY (p.mention_ids)));

-- An answer that claimed to be younger would be kept for ever.
DROP POLICY self ON idempotency;
CREATE POLICY self ON idempotency TO daira_app
    USING (user_id = viewer_id()) WITH CHECK (user_id = viewer_id() AND created_at = now());

-- A circle's members see its owner's posts and rooms: a circle of somebody else that took over a deleted id opens nothing.
CREATE OR REPLACE FUNCTION post_visible(author bigint, visibility text, circle bigint) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    me bigint := viewer_id();
BEGIN
    IF me IS NULL THEN RETURN false; END IF;
    IF author = me THEN RETURN true; END IF;
    IF visibility = 'private' THEN RETURN false; END IF;
    IF EXISTS (SELECT FROM blocks WHERE blocker_id = me AND blocked_id = author)
        OR EXISTS (SELECT FROM blocks WHERE blocker_id = author AND blocked_id = me) THEN
        RETURN false;
    END IF;
    IF visibility = 'circle' THEN
        RETURN EXISTS (SELECT FROM circle_members WHERE circle_id = circle AND user_id = me AND owner_id = author);
    END IF;
    IF visibility = 'public' AND EXISTS (SELECT FROM users WHERE id = author AND NOT is_private) THEN
        RETURN true;
    END IF;
    RETURN EXISTS (SELECT FROM follows WHERE follower_id = me AND followee_id = author AND status = 'active');
END $$;

CREATE OR REPLACE FUNCTION room_visible_to(
    person bigint, room bigint, owner bigint, host bigint, visibility text, circle bigint) RETURNS boolean
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
        RETURN EXISTS (SELECT FROM circle_members WHERE circle_id = circle AND user_id = person AND owner_id = owner);
    END IF;
    IF visibility = 'public' AND EXISTS (SELECT FROM users WHERE id = owner AND NOT is_private) THEN
        RETURN true;
    END IF;
    RETURN EXISTS (SELECT FROM follows WHERE follower_id = person AND followee_id = owner AND status = 'active');
END $$;

CREATE OR REPLACE FUNCTION inbox_post_ids(amount integer) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT id FROM (
        SELECT p.id
        FROM follows f
        JOIN users u ON u.id = f.followee_id
        CROSS JOIN LATERAL (
            SELECT id FROM posts
            WHERE author_id = f.followee_id AND status = 'published'
              AND (visibility IN ('public', 'followers') AND NOT u.is_large
                   OR visibility = 'circle' AND EXISTS (
                       SELECT FROM circle_members m WHERE m.circle_id = posts.circle_id AND m.user_id = viewer_id()
                       AND m.owner_id = posts.author_id))
            ORDER BY id DESC LIMIT 200) p
        WHERE f.follower_id = viewer_id() AND f.status = 'active'
        UNION
        (SELECT post_id FROM post_mentions WHERE user_id = viewer_id() ORDER BY post_id DESC LIMIT 200)
    ) found
    ORDER BY id DESC LIMIT amount
$$;

---------------------------------------------------------------------------------------------------- live rooms

-- Host or cohost of a room that has not ended: nothing of an ended room is moderated.
CREATE OR REPLACE FUNCTION moderates_room(room bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN EXISTS (SELECT FROM public.rooms r WHERE r.id = room AND r.state <> 'ended'
                   AND public.room_role(room, public.viewer_id()) IN ('host', 'cohost'));

-- Whether that person may be on the stage. Who is there already may be given another place, whatever has come between
-- them and the others since; nobody else who is banned, or has a block with the viewer, the owner or the host.
CREATE FUNCTION may_stand(room bigint, person bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN coalesce(public.room_role(room, person) IN ('host', 'cohost', 'speaker'), false) OR EXISTS (
        SELECT FROM public.rooms r JOIN public.users u ON u.id = person AND u.status = 'active'
        WHERE r.id = room
          AND NOT EXISTS (SELECT FROM public.room_bans b WHERE b.room_id = room AND b.user_id = person
                          AND (b.until IS NULL OR b.until > now()))
          AND NOT EXISTS (SELECT FROM public.blocks b WHERE b.blocker_id = person
                          AND b.blocked_id IN (public.viewer_id(), r.owner_id, r.host_id))
          AND NOT EXISTS (SELECT FROM public.blocks b WHERE b.blocked_id = person
                          AND b.blocker_id IN (public.viewer_id(), r.owner_id, r.host_id)));

-- Whether the viewer may give that person that role, or take it away: a host any, a cohost none to or from a cohost.
CREATE FUNCTION may_place(room bigint, person bigint, given text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN public.moderates_room(room)
        AND (public.room_role(room, public.viewer_id()) = 'host'
             OR given <> 'cohost' AND coalesce(public.room_role(room, person), 'listener') NOT IN ('host', 'cohost'))
        AND (given = 'listener' OR public.may_stand(room, person));

CREATE FUNCTION may_speak(room bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN EXISTS (
        SELECT FROM public.rooms r
        WHERE r.id = room AND r.state = 'live'
          AND public.room_visible_to(public.viewer_id(), r.id, r.owner_id, r.host_id, r.visibility, r.circle_id)
          AND NOT EXISTS (SELECT FROM public.room_bans b WHERE b.room_id = room AND b.user_id = public.viewer_id()
                          AND (b.until IS NULL OR b.until > now()))
          AND NOT EXISTS (SELECT FROM public.room_roles o WHERE o.room_id = room AND o.user_id = public.viewer_id()
                          AND o.is_muted));

DROP POLICY opened ON rooms;
CREATE POLICY opened ON rooms FOR INSERT TO daira_app WITH CHECK (owner_id = viewer_id() AND host_id = viewer_id() AND (
    circle_id IS NULL OR EXISTS (SELECT FROM circles c WHERE c.id = circle_id AND c.owner_id = viewer_id())));
DROP POLICY moderated ON rooms;
CREATE POLICY moderated ON rooms FOR UPDATE TO daira_app
    USING (moderates_room(id)) WITH CHECK ((state = 'ended') = (ended_at IS NOT NULL));

-- What changes of a room: each change counts, its states go forward, and only the host starts it, ends it or gives it away.
DROP TRIGGER host_is_given ON rooms;
DROP FUNCTION host_is_given;
CREATE FUNCTION room_change_allowed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF viewer_id() IS NULL THEN RETURN NEW; END IF; -- workers, whom their policy bounds
    IF NEW.version <> OLD.version + 1
        OR viewer_id() <> OLD.host_id AND (NEW.host_id, NEW.state, NEW.started_at, NEW.ended_at)
            IS DISTINCT FROM (OLD.host_id, OLD.state, OLD.started_at, OLD.ended_at)
        OR NEW.state = 'scheduled' AND OLD.state <> 'scheduled'
        OR NEW.started_at IS DISTINCT FROM OLD.started_at AND NOT (OLD.state = 'scheduled' AND NEW.state = 'live')
        OR NEW.host_id <> OLD.host_id AND NOT may_stand(NEW.id, NEW.host_id) THEN
        RAISE insufficient_privilege USING MESSAGE = 'the viewer may not change the room so';
    END IF;
    RETURN NEW;
END $$;
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

-- The application may tell of what the viewer has done: the rows that an event speaks of stand as the viewer alone could
-- have left them, in this transaction or before, and its key is the one that keeps their order. Each domain has a policy;
-- a topic without one is nobody's.
CREATE FUNCTION may_tell_of_post(topic text, key text, event jsonb) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN key = public.viewer_id()::text AND event ->> 'author_id' = key
        AND topic IN ('post.created', 'post.edited', 'post.deleted') AND EXISTS (
            SELECT FROM public.posts p WHERE p.id = (event ->> 'post_id')::bigint AND p.author_id = public.viewer_id()
                AND (p.status = 'deleted') = (topic = 'post.deleted'));

CREATE FUNCTION may_tell_of_graph(topic text, key text, event jsonb) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    me text := viewer_id();
BEGIN
    CASE topic
    WHEN 'graph.follow_changed' THEN
        RETURN key = event ->> 'followee_id'
            AND CASE event ->> 'change' WHEN 'accepted' THEN me = event ->> 'followee_id'
                                        WHEN 'ended' THEN me IN (event ->> 'followee_id', event ->> 'follower_id')
                                        ELSE me = event ->> 'follower_id' END
            AND (SELECT f.status FROM follows f WHERE f.follower_id = (event ->> 'follower_id')::bigint
                     AND f.followee_id = (event ->> 'followee_id')::bigint)
                IS NOT DISTINCT FROM CASE event ->> 'change' WHEN 'requested' THEN 'pending' WHEN 'ended' THEN NULL
                                                             ELSE 'active' END;
    WHEN 'graph.blocked', 'graph.unblocked' THEN
        RETURN me = event ->> 'blocker_id' AND key = event ->> 'blocked_id'
            AND EXISTS (SELECT FROM blocks b WHERE b.blocker_id = viewer_id()
                        AND b.blocked_id = (event ->> 'blocked_id')::bigint) = (topic = 'graph.blocked');
    WHEN 'graph.mute_changed' THEN
        RETURN me = event ->> 'user_id' AND key = event ->> 'muted_id';
    WHEN 'graph.access_narrowed' THEN
        RETURN me = event ->> 'owner_id' AND key = me;
    ELSE
        RETURN false;
    END CASE;
END $$;

CREATE FUNCTION may_tell_of_session(topic text, key text, event jsonb) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN key = public.viewer_id()::text AND event ->> 'user_id' = key AND topic = 'session.ended' AND NOT EXISTS (
        SELECT FROM jsonb_array_elements_text(event -> 'session_ids') AS ended (id)
        WHERE NOT EXISTS (SELECT FROM public.sessions s WHERE s.id = ended.id::bigint
                          AND s.user_id = public.viewer_id() AND s.revoked_at IS NOT NULL));

CREATE FUNCTION may_tell_of_room(topic text, key text, event jsonb) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    me   bigint := viewer_id();
    room bigint := event ->> 'room_id';
BEGIN
    IF key IS DISTINCT FROM room::text THEN RETURN false; END IF;
    CASE topic
    WHEN 'room.changed' THEN -- also by who has stepped down
        RETURN event ->> 'actor_id' = me::text
            AND (moderates_room(room) OR event ->> 'change' = 'role' AND event ->> 'user_id' = me::text
                 AND EXISTS (SELECT FROM room_roles o WHERE o.room_id = room AND o.user_id = me));
    WHEN 'room.message_sent', 'room.message_deleted' THEN
        RETURN EXISTS (
            SELECT FROM room_messages m WHERE m.id = (event ->> 'message_id')::bigint AND m.room_id = room
                AND (m.deleted_at IS NULL) = (topic = 'room.message_sent')
                AND (m.sender_id = me OR topic = 'room.message_deleted' AND moderates_room(room)));
    WHEN 'room.invited' THEN
        RETURN event ->> 'actor_id' = me::text AND NOT EXISTS (
            SELECT FROM jsonb_array_elements_text(event -> 'user_ids') AS invited (id)
            WHERE NOT EXISTS (SELECT FROM room_invitations i WHERE i.room_id = room AND i.user_id = invited.id::bigint
                              AND i.inviter_id = me));
    WHEN 'room.removed' THEN
        RETURN event ->> 'user_id' <> me::text AND may_place(room, (event ->> 'user_id')::bigint, 'listener');
    WHEN 'room.unbanned' THEN
        RETURN moderates_room(room);
    WHEN 'room.closed' THEN
        RETURN EXISTS (SELECT FROM rooms r WHERE r.id = room AND r.state = 'ended' AND r.host_id = me);
    ELSE
        RETURN false;
    END CASE;
END $$;

DROP POLICY added ON outbox;
CREATE POLICY of_posts ON outbox FOR INSERT TO daira_app
    WITH CHECK (topic LIKE 'post.%' AND may_tell_of_post(topic, key, convert_from(payload, 'UTF8')::jsonb));
CREATE POLICY of_graph ON outbox FOR INSERT TO daira_app
    WITH CHECK (topic LIKE 'graph.%' AND may_tell_of_graph(topic, key, convert_from(payload, 'UTF8')::jsonb));
CREATE POLICY of_sessions ON outbox FOR INSERT TO daira_app
    WITH CHECK (topic LIKE 'session.%' AND may_tell_of_session(topic, key, convert_from(payload, 'UTF8')::jsonb));
CREATE POLICY of_rooms ON outbox FOR INSERT TO daira_app
    WITH CHECK (topic LIKE 'room.%' AND may_tell_of_room(topic, key, convert_from(payload, 'UTF8')::jsonb));

-- The trail names the viewer, so nobody accuses another. A sign-in that failed has no viewer, but an account it was for.
DROP POLICY written ON audit;
CREATE POLICY written ON audit FOR INSERT TO daira_app
    WITH CHECK (actor_id = viewer_id() OR viewer_id() IS NULL AND action = 'auth.login_failed');

---------------------------------------------------------------------------------------------------- what functions answer

-- Of people in a room: to who may see it, and to nodes and workers, which ask on behalf of nobody.
CREATE OR REPLACE FUNCTION room_people(room bigint, people bigint[])
    RETURNS TABLE (id bigint, username text, display_name text, avatar_url text, is_verified boolean, role text,
                   is_muted boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT u.id, u.username, u.display_name, u.avatar_url, u.is_verified,
           CASE WHEN r.host_id = u.id THEN 'host' ELSE coalesce(o.role, 'listener') END, coalesce(o.is_muted, false)
    FROM rooms r JOIN users u ON u.id = ANY (people) AND u.status = 'active'
    LEFT JOIN room_roles o ON o.room_id = r.id AND o.user_id = u.id
    WHERE r.id = room AND (viewer_id() IS NULL OR sees_room(room))
      AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = viewer_id() AND b.blocked_id = u.id)
      AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = u.id AND b.blocked_id = viewer_id())
      AND NOT EXISTS (SELECT FROM mutes x WHERE x.user_id = viewer_id() AND x.muted_id = u.id
                      AND x.kind = 'all' AND (x.until IS NULL OR x.until > now()))
$$;

-- Of one viewer, or of anybody where a node asks on behalf of nobody.
CREATE OR REPLACE FUNCTION may_stay(rooms_asked bigint[], people bigint[])
    RETURNS TABLE (room_id bigint, user_id bigint, owner_id bigint, capacity integer, role text, version integer)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT r.id, pair.person, r.owner_id, r.capacity, coalesce(room_role(r.id, pair.person), 'listener'), r.version
    FROM unnest(rooms_asked, people) AS pair (room, person)
    JOIN rooms r ON r.id = pair.room AND r.state <> 'ended'
    WHERE (viewer_id() IS NULL OR pair.person = viewer_id())
      AND room_visible_to(pair.person, r.id, r.owner_id, r.host_id, r.visibility, r.circle_id)
      AND NOT EXISTS (SELECT FROM room_bans b WHERE b.room_id = r.id AND b.user_id = pair.person
                      AND (b.until IS NULL OR b.until > now()))
$$;

CREATE OR REPLACE FUNCTION may_watch(watched bigint[], watchers bigint[]) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT pair.number
    FROM unnest(watched, watchers) WITH ORDINALITY AS pair (person, watcher, number)
    JOIN users u ON u.id = pair.person AND u.status = 'active'
    WHERE (viewer_id() IS NULL OR pair.watcher = viewer_id()) AND (pair.watcher = pair.person OR (
        u.presence_audience <> 'nobody'
        AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = pair.person AND b.blocked_id = pair.watcher)
        AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = pair.watcher AND b.blocked_id = pair.person)
        AND (NOT u.is_private AND u.presence_audience = 'everyone'
             OR EXISTS (SELECT FROM follows f WHERE f.follower_id = pair.watcher AND f.followee_id = pair.person
                        AND f.status = 'active'))))
$$;

-- The lock is for who may be in the room, and for who was on its stage and has lost sight of it.
CREATE OR REPLACE FUNCTION lock_turns(room bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT FROM rooms WHERE id = room AND (viewer_id() IS NULL OR sees_room(room)
        OR EXISTS (SELECT FROM room_turns t WHERE t.room_id = room AND t.user_id = viewer_id()))
    FOR NO KEY UPDATE
$$;

-- It asks for the viewer alone; `room_visible_to` asks for anybody and is the workers'.
ALTER FUNCTION room_visible SECURITY DEFINER;
REVOKE EXECUTE ON FUNCTION room_role, room_visible_to FROM daira_app;

-- Nobody has a list open.
CREATE OR REPLACE FUNCTION graph_open(target bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN target = public.viewer_id() OR public.viewer_id() IS NOT NULL AND EXISTS (
        SELECT FROM public.users u
        WHERE u.id = target AND u.status = 'active'
          AND NOT EXISTS (SELECT FROM public.blocks b WHERE b.blocker_id = target AND b.blocked_id = public.viewer_id())
          AND (NOT u.is_private OR EXISTS (
              SELECT FROM public.follows f
              WHERE f.follower_id = public.viewer_id() AND f.followee_id = target AND f.status = 'active')));

-- Before sign-in there is no viewer; once there is one, these tell them nothing of others.
CREATE OR REPLACE FUNCTION account_for_login(key text) RETURNS TABLE (user_id bigint, password_hash text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT a.user_id, a.password_hash FROM accounts a JOIN users u ON u.id = a.user_id
    WHERE a.email_key = key AND u.status = 'active' AND viewer_id() IS NULL
$$;

CREATE OR REPLACE FUNCTION session_owner(session_id bigint, family bytea) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN (SELECT s.user_id FROM public.sessions s
            WHERE s.id = session_id AND s.family_hash = family AND public.viewer_id() IS NULL);

CREATE OR REPLACE FUNCTION ended_sessions(ids bigint[]) RETURNS TABLE (session_id bigint, reason text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT s.id, s.revoked_reason FROM sessions s
    WHERE s.id = ANY (ids) AND s.revoked_at IS NOT NULL AND viewer_id() IS NULL
$$;

CREATE OR REPLACE FUNCTION sign_in(asked_sessions bigint[], asked_users bigint[])
    RETURNS TABLE (session_id bigint, id bigint, username text, display_name text, avatar_url text,
                   is_verified boolean, bio text, is_private boolean, follower_count integer, following_count integer,
                   post_count integer, created_at timestamptz, follows boolean, followed_by boolean,
                   requested boolean, blocks boolean, mutes boolean, presence_status text, presence_text text,
                   presence_version integer,
                   large_authors bigint[], hidden bigint[], hidden_until float8[], posts_hidden_until float8[])
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH asked AS (
        SELECT DISTINCT session, person FROM unnest(asked_sessions, asked_users) AS pairs (session, person)
        WHERE viewer_id() IS NULL
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

GRANT EXECUTE ON FUNCTION is_open_now, may_place, may_speak, may_tell_of_post, may_tell_of_graph, may_tell_of_session,
    may_tell_of_room TO daira_app;

---------------------------------------------------------------------------------------------------- workers

-- Workers read what they work on, and write what these lines name.
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

-- Whether an author's posts are fanned out: the only column of theirs that workers may change.
CREATE POLICY worker_changes ON users FOR UPDATE TO daira_worker USING (true) WITH CHECK (true);
-- The relay.
CREATE POLICY worker_changes ON outbox FOR UPDATE TO daira_worker USING (true) WITH CHECK (true);
CREATE POLICY worker_deletes ON outbox FOR DELETE TO daira_worker USING (sent_at IS NOT NULL);
CREATE POLICY worker_deletes ON idempotency FOR DELETE TO daira_worker USING (created_at < now() - interval '24 hours');
-- The keeper of live rooms: gives them a new host, or ends them.
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
-- What is written in rooms is trimmed, and told once they have ended.
CREATE POLICY worker_deletes ON room_messages FOR DELETE TO daira_worker USING (true);
CREATE POLICY worker_adds ON room_digests FOR INSERT TO daira_worker
    WITH CHECK (EXISTS (SELECT FROM rooms r WHERE r.id = room_id AND r.state = 'ended'));

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
