-- The stage of a live room: who may stand on it, turns, and whom acts of moderation are done to.

-- Whether that person may be on the stage. Who is there already may be given another place, whatever has come between
-- them and the others since; nobody else who is banned, or has a block with the viewer, the owner or the host.
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

-- Whether the viewer may give that person that role, or take it away: a host any, a cohost none to or from a cohost.
CREATE OR REPLACE FUNCTION may_place(room bigint, person bigint, given text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN public.moderates_room(room)
        AND (public.room_role(room, public.viewer_id()) = 'host'
             OR given <> 'cohost' AND coalesce(public.room_role(room, person), 'listener') NOT IN ('host', 'cohost'))
        AND (given = 'listener' OR public.may_stand(room, person));
GRANT EXECUTE ON FUNCTION may_place TO daira_app;

-- Whoever is on the stage may leave it, which counts as a change of the room. Answers its version.
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

-- The lock is for who may be in the room, and for who was on its stage and has lost sight of it.
CREATE OR REPLACE FUNCTION lock_turns(room bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT FROM rooms WHERE id = room AND (viewer_id() IS NULL OR sees_room(room)
        OR EXISTS (SELECT FROM room_turns t WHERE t.room_id = room AND t.user_id = viewer_id()))
    FOR NO KEY UPDATE
$$;
GRANT EXECUTE ON FUNCTION lock_turns TO daira_app, daira_worker;

-- Somebody of the stage is in the room from now on. The caller has locked the room.
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

-- The user whom an act of moderation is done to. `has_place`: the user has or had a role or a mute there, or is its host;
-- `hides`: blocks the moderator; `may_enter`: there is no block with the moderator, and the user may see the room.
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

-- Whoever has a block with the inviter is left out, and so is whoever has had 20 invitations within a day from people
-- whom they do not follow.
CREATE OR REPLACE FUNCTION invitation_allowed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.inviter_id IS DISTINCT FROM viewer_id() THEN
        RETURN NEW; -- which the policy refuses
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
