-- Live rooms: who may see a room, and how it may change.

-- The role of a user in the room; null for a listener without a row.
CREATE OR REPLACE FUNCTION room_role(room bigint, person bigint) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN (SELECT CASE WHEN r.host_id = person THEN 'host'
                        ELSE (SELECT o.role FROM public.room_roles o WHERE o.room_id = room AND o.user_id = person) END
            FROM public.rooms r WHERE r.id = room);

-- Whether the viewer is host or cohost. False for a room that has ended, so that nothing of it can be changed.
CREATE OR REPLACE FUNCTION moderates_room(room bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN EXISTS (SELECT FROM public.rooms r WHERE r.id = room AND r.state <> 'ended'
                   AND public.room_role(room, public.viewer_id()) IN ('host', 'cohost'));
GRANT EXECUTE ON FUNCTION moderates_room TO daira_app;

-- A banned user still sees the room and its stage; messages and everything else are refused.
-- A circle must belong to the owner: a circle of another user that reuses a deleted id opens nothing.
CREATE OR REPLACE FUNCTION room_visible_to(
    person bigint, room bigint, owner bigint, host bigint, visibility text, circle bigint) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    is_open boolean;
BEGIN
    IF person IS NULL THEN RETURN false; END IF;
    IF person IN (owner, host) THEN RETURN true; END IF;
    -- Withheld, or too adult for that user: also if they were invited.
    IF EXISTS (SELECT FROM rooms r WHERE r.id = room
               AND (NOT is_shown(r.standing) OR r.labels <> '{}' AND too_young_for(r.labels, person))) THEN
        RETURN false;
    END IF;
    SELECT NOT u.is_private INTO is_open FROM users u WHERE u.id = owner AND u.status = 'active';
    IF NOT FOUND OR host <> owner AND NOT EXISTS (SELECT FROM users u WHERE u.id = host AND u.status = 'active') THEN
        RETURN false; -- a room names both
    END IF;
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
    IF visibility = 'public' AND is_open THEN RETURN true; END IF;
    RETURN EXISTS (SELECT FROM follows WHERE follower_id = person AND followee_id = owner AND status = 'active');
END $$;
GRANT EXECUTE ON FUNCTION room_visible_to TO daira_worker;

-- Whether the viewer may see the room.
CREATE OR REPLACE FUNCTION room_visible(room bigint, owner bigint, host bigint, visibility text, circle bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN public.room_visible_to(public.viewer_id(), room, owner, host, visibility, circle);
GRANT EXECUTE ON FUNCTION room_visible TO daira_app;

CREATE OR REPLACE FUNCTION sees_room(room bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN EXISTS (SELECT FROM public.rooms r WHERE r.id = room
                   AND public.room_visible(r.id, r.owner_id, r.host_id, r.visibility, r.circle_id));
GRANT EXECUTE ON FUNCTION sees_room TO daira_app;

-- Rooms in these states that the viewer may see, newest first, without those of others whose labels the viewer hides. It
-- starts from each reason to see a room, so that rooms which are hidden from the viewer are not checked one by one.
CREATE OR REPLACE FUNCTION rooms_shown(states text[], before bigint, amount integer) RETURNS TABLE (room_id bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp ROWS 20 AS $$
    SELECT found.id FROM (
        SELECT r.id FROM unnest(states) AS asked (state) CROSS JOIN LATERAL (
            SELECT id FROM rooms WHERE visibility = 'public' AND state = asked.state AND id < before AND standing = 'visible'
                AND NOT viewer_hides(labels) AND room_visible(id, owner_id, host_id, visibility, circle_id)
            ORDER BY id DESC LIMIT amount) r
        UNION
        SELECT r.id FROM unnest(states) AS asked (state), follows f CROSS JOIN LATERAL (
            SELECT id FROM rooms WHERE owner_id = f.followee_id AND state = asked.state AND id < before
                AND NOT viewer_hides(labels) AND room_visible(id, owner_id, host_id, visibility, circle_id)
            ORDER BY id DESC LIMIT amount) r
        WHERE f.follower_id = viewer_id() AND f.status = 'active'
        UNION
        SELECT r.id FROM unnest(states) AS asked (state), circle_members m CROSS JOIN LATERAL (
            SELECT id FROM rooms WHERE circle_id = m.circle_id AND state = asked.state AND id < before
                AND NOT viewer_hides(labels) AND room_visible(id, owner_id, host_id, visibility, circle_id)
            ORDER BY id DESC LIMIT amount) r
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
GRANT EXECUTE ON FUNCTION rooms_shown TO daira_app;

-- The rights of users in rooms that they may see, and the users' rows. With a viewer, it answers for the viewer alone;
-- without one, for all users.
CREATE OR REPLACE FUNCTION room_standings(rooms_asked bigint[], people bigint[])
    RETURNS TABLE (room_id bigint, user_id bigint, owner_id bigint, state text, capacity integer, version integer,
                   role text, is_muted boolean, is_banned boolean,
                   username text, display_name text, avatar_url text, is_verified boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT r.id, u.id, r.owner_id, r.state, r.capacity, r.version,
           CASE WHEN r.host_id = u.id THEN 'host' ELSE coalesce(o.role, 'listener') END, coalesce(o.is_muted, false),
           EXISTS (SELECT FROM room_bans b WHERE b.room_id = r.id AND b.user_id = u.id
                   AND (b.until IS NULL OR b.until > now())),
           u.username, u.display_name, u.avatar_url, u.is_verified
    FROM unnest(rooms_asked, people) AS pair (room, person)
    JOIN rooms r ON r.id = pair.room JOIN users u ON u.id = pair.person
    LEFT JOIN room_roles o ON o.room_id = r.id AND o.user_id = u.id
    WHERE (viewer_id() IS NULL OR u.id = viewer_id())
      AND room_visible_to(u.id, r.id, r.owner_id, r.host_id, r.visibility, r.circle_id)
$$;
GRANT EXECUTE ON FUNCTION room_standings TO daira_app, daira_worker;

-- The room as all users inside see it, for nodes, which push it to them. Only without a viewer.
CREATE OR REPLACE FUNCTION room_for_all(room bigint)
    RETURNS TABLE (found rooms, host users)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT r, h FROM rooms r JOIN users h ON h.id = r.host_id WHERE r.id = room AND viewer_id() IS NULL
$$;
GRANT EXECUTE ON FUNCTION room_for_all TO daira_app, daira_worker;

-- Users in a room, without those who have a block with the viewer or whom the viewer mutes. For viewers who see the
-- room, and for nodes and workers, which have no viewer.
CREATE OR REPLACE FUNCTION room_users(room bigint, asked bigint[])
    RETURNS TABLE (found users, role text, is_muted boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT u, CASE WHEN r.host_id = u.id THEN 'host' ELSE coalesce(o.role, 'listener') END, coalesce(o.is_muted, false)
    FROM rooms r JOIN users u ON u.id = ANY (asked) AND u.status = 'active'
    LEFT JOIN room_roles o ON o.room_id = r.id AND o.user_id = u.id
    WHERE r.id = room AND (viewer_id() IS NULL OR sees_room(room))
      AND u.id NOT IN (SELECT h.user_id FROM hidden_users(viewer_id()) h)
$$;
GRANT EXECUTE ON FUNCTION room_users TO daira_app, daira_worker;

-- Load a room for several viewers who have entered it, for nodes: the room, those users in it, its newest messages, which
-- viewers may see it, and pairs of a viewer and a hidden user or sender. It answers only without a viewer.
CREATE OR REPLACE FUNCTION room_scene(room bigint, viewers bigint[], people_asked bigint[], amount integer)
    RETURNS TABLE (id bigint, host_id bigint, topic text, state text, visibility text, capacity integer,
                   slow_mode_s integer, starts_at timestamptz, started_at timestamptz, ended_at timestamptz,
                   version integer, is_recorded boolean, labels text[], username text, display_name text,
                   avatar_url text, is_verified boolean, people json, messages json, seen_by bigint[], hiding bigint[], hidden bigint[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH found AS (
        SELECT (u.found).id, (u.found).username, (u.found).display_name, (u.found).avatar_url, (u.found).is_verified,
               u.role, u.is_muted
        FROM room_users(room, people_asked) u),
    newest AS (
        SELECT m.id, m.room_id, m.text, m.sender_id, u.username, u.display_name, u.avatar_url, u.is_verified
        FROM room_messages m JOIN users u ON u.id = m.sender_id AND u.status = 'active'
        WHERE m.room_id = room AND m.deleted_at IS NULL ORDER BY m.id DESC LIMIT amount),
    others AS (SELECT array(SELECT f.id FROM found f UNION SELECT n.sender_id FROM newest n) AS ids),
    pairs AS (
        SELECT b.blocker_id AS viewer, b.blocked_id AS other FROM others, blocks b
        WHERE b.blocker_id = ANY (viewers) AND b.blocked_id = ANY (ids)
        UNION
        SELECT b.blocked_id, b.blocker_id FROM others, blocks b
        WHERE b.blocked_id = ANY (viewers) AND b.blocker_id = ANY (ids)
        UNION
        SELECT x.user_id, x.muted_id FROM others, mutes x
        WHERE x.user_id = ANY (viewers) AND x.muted_id = ANY (ids) AND x.kind = 'all'
          AND (x.until IS NULL OR x.until > now()))
    SELECT r.id, r.host_id, r.topic, r.state, coalesce(r.chosen_visibility, r.visibility), r.capacity, r.slow_mode_s,
           r.starts_at, r.started_at, r.ended_at, r.version, r.is_recorded, r.labels, h.username, h.display_name, h.avatar_url, h.is_verified,
           coalesce((SELECT json_agg(f) FROM found f), '[]'), coalesce((SELECT json_agg(n ORDER BY n.id) FROM newest n), '[]'),
           array(SELECT viewer FROM unnest(viewers) AS viewer
                 WHERE room_visible_to(viewer, r.id, r.owner_id, r.host_id, r.visibility, r.circle_id)),
           array(SELECT p.viewer FROM pairs p ORDER BY p.viewer, p.other),
           array(SELECT p.other FROM pairs p ORDER BY p.viewer, p.other)
    FROM rooms r JOIN users h ON h.id = r.host_id WHERE r.id = room AND viewer_id() IS NULL
$$;
GRANT EXECUTE ON FUNCTION room_scene TO daira_app;

-- Each change counts the version up, states go forward, and only the host starts, ends or transfers the room.
CREATE OR REPLACE FUNCTION room_change_allowed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF viewer_id() IS NULL THEN RETURN NEW; END IF; -- workers, whose policy says what they may change
    IF NEW.version <> OLD.version + 1
        OR viewer_id() <> OLD.host_id AND (NEW.host_id, NEW.state, NEW.started_at, NEW.ended_at)
            IS DISTINCT FROM (OLD.host_id, OLD.state, OLD.started_at, OLD.ended_at)
        OR NEW.state = 'scheduled' AND OLD.state <> 'scheduled'
        OR NEW.started_at IS DISTINCT FROM OLD.started_at AND NOT (OLD.state = 'scheduled' AND NEW.state = 'live')
        OR NOT may_stand(NEW.id, NEW.host_id) THEN
        RAISE insufficient_privilege USING MESSAGE = 'the viewer may not make this change to the room';
    END IF;
    RETURN NEW;
END $$;

-- Whether the viewer may add this event to the outbox; see `may_tell_of_graph`.
CREATE OR REPLACE FUNCTION may_tell_of_room(topic text, key text, event jsonb) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    me   bigint := viewer_id();
    room bigint := event ->> 'room_id';
BEGIN
    IF key IS DISTINCT FROM room::text THEN RETURN false; END IF;
    CASE topic
    WHEN 'room.changed' THEN -- also from a user who has stepped down
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
GRANT EXECUTE ON FUNCTION may_tell_of_room TO daira_app;
