-- The stage of a live room: who may be on it, turns, targets of moderation, and invitations.

-- Whether a user may be on the stage. A user who is there already may get another role, despite blocks made since.
-- Other users may not if they are banned, or have a block with the viewer, the owner or the host.
CREATE OR REPLACE FUNCTION may_stand(room bigint, person bigint) RETURNS boolean
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

-- Whether the viewer may give or take this role: a host any role, a cohost none to or from a cohost.
CREATE OR REPLACE FUNCTION may_place(room bigint, person bigint, given text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN public.moderates_room(room)
        AND (public.room_role(room, public.viewer_id()) = 'host'
             OR given <> 'cohost' AND coalesce(public.room_role(room, person), 'listener') NOT IN ('host', 'cohost'))
        AND (given = 'listener' OR public.may_stand(room, person));
GRANT EXECUTE ON FUNCTION may_place TO daira_app;

-- Makes the viewer a listener, which counts as a change of the room. Returns the new version; null if there is no
-- change.
CREATE OR REPLACE FUNCTION step_down(room bigint) RETURNS integer
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
GRANT EXECUTE ON FUNCTION step_down TO daira_app;

-- Locks the turns of the room until the transaction ends, against concurrent turns, roles and bans. For users who see
-- the room, and for users who were on its stage and no longer see it.
CREATE OR REPLACE FUNCTION lock_turns(room bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT FROM rooms WHERE id = room AND (viewer_id() IS NULL OR sees_room(room)
        OR EXISTS (SELECT FROM room_turns t WHERE t.room_id = room AND t.user_id = viewer_id()))
    FOR NO KEY UPDATE
$$;
GRANT EXECUTE ON FUNCTION lock_turns TO daira_app, daira_worker;

-- Begins the turn of a user on the stage. The caller must have locked the turns.
CREATE OR REPLACE FUNCTION begin_turn(room bigint, person bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM rooms WHERE id = room AND state = 'live';
    IF FOUND AND (person = viewer_id() OR moderates_room(room)) AND room_role(room, person) IN ('host', 'cohost', 'speaker')
        AND NOT EXISTS (SELECT FROM room_bans b WHERE b.room_id = room AND b.user_id = person
                        AND (b.until IS NULL OR b.until > now())) THEN
        INSERT INTO room_turns (room_id, user_id) VALUES (room, person) ON CONFLICT DO NOTHING;
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION begin_turn TO daira_app;

-- The target user of an act of moderation. `has_place`: the user has or had a role or a mute there, or is its
-- host; `hides`: blocks the moderator; `may_enter`: there is no block with the moderator, and the user may see the
-- room.
CREATE OR REPLACE FUNCTION room_target(room bigint, person bigint)
    RETURNS TABLE (id bigint, role text, is_muted boolean, is_banned boolean, has_place boolean, hides boolean,
                   may_enter boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT u.id, coalesce(room_role(room, u.id), 'listener'), coalesce(o.is_muted, false),
           EXISTS (SELECT FROM room_bans b WHERE b.room_id = room AND b.user_id = u.id
                   AND (b.until IS NULL OR b.until > now())),
           o.user_id IS NOT NULL OR r.host_id = u.id,
           between_them.hides,
           NOT between_them.hides AND NOT between_them.hidden
           AND room_visible_to(u.id, r.id, r.owner_id, r.host_id, r.visibility, r.circle_id)
    FROM rooms r JOIN users u ON u.id = person AND u.status = 'active'
    LEFT JOIN room_roles o ON o.room_id = r.id AND o.user_id = u.id
    CROSS JOIN LATERAL (SELECT
        EXISTS (SELECT FROM blocks b WHERE b.blocker_id = u.id AND b.blocked_id = viewer_id()) AS hides,
        EXISTS (SELECT FROM blocks b WHERE b.blocker_id = viewer_id() AND b.blocked_id = u.id) AS hidden) between_them
    WHERE r.id = room AND moderates_room(room)
$$;
GRANT EXECUTE ON FUNCTION room_target TO daira_app;

-- Leaves out users who have a block with the inviter, and users who had 20 invitations within a day from users whom
-- they do not follow.
CREATE OR REPLACE FUNCTION invitation_allowed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.inviter_id IS DISTINCT FROM viewer_id() THEN
        RETURN NEW; -- the policy refuses it
    END IF;
    PERFORM take_turn(NEW.inviter_id, NEW.user_id);
    IF EXISTS (SELECT FROM blocks WHERE (blocker_id, blocked_id) IN ((NEW.inviter_id, NEW.user_id),
                                                                     (NEW.user_id, NEW.inviter_id))) THEN
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT FROM follows
               WHERE follower_id = NEW.user_id AND followee_id = NEW.inviter_id AND status = 'active') THEN
        RETURN NEW;
    END IF;
    PERFORM hold('invitations', NEW.user_id);
    IF (SELECT count(*) FROM room_invitations i
        WHERE i.user_id = NEW.user_id AND i.created_at > now() - interval '1 day' AND NOT EXISTS (
            SELECT FROM follows f
            WHERE f.follower_id = i.user_id AND f.followee_id = i.inviter_id AND f.status = 'active')) >= 20 THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END $$;
