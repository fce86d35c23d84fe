-- One way to decide: a trigger takes `hold` on what the decision is about, and only then reads what it depends on. Each
-- statement of a plpgsql trigger sees what was committed before that statement, so the decision holds until the end of
-- the transaction, whoever writes: the application, a worker or a person at a SQL prompt. The lock costs no round trip.

-- Nobody else decides about the same thing until this transaction ends.
CREATE FUNCTION hold(subject text, id bigint) RETURNS void
    LANGUAGE sql SET search_path = public, pg_temp AS $$
    SELECT pg_advisory_xact_lock(hashtextextended(subject, id))
$$;

-- The same for decisions that may be taken beside each other, but not beside a `hold`.
CREATE FUNCTION hold_shared(subject text, id bigint) RETURNS void
    LANGUAGE sql SET search_path = public, pg_temp AS $$
    SELECT pg_advisory_xact_lock_shared(hashtextextended(subject, id))
$$;

-- An id as Snowflakes mints it, for rows that triggers add: random where a process has its number.
CREATE FUNCTION mint_id() RETURNS bigint
    LANGUAGE sql VOLATILE SET search_path = public, pg_temp AS $$
    SELECT snowflake_at(clock_timestamp()) + floor(random() * (1 << 22))::bigint
$$;

---------------------------------------------------------------------------------------------------- bounds

-- Arguments: the column of what has the rows, how many it may have, which rows count, and what to say with that number.
CREATE FUNCTION bounded() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    owner bigint;
    found bigint;
BEGIN
    -- In the order of their ids: two statements that touch the same owners must not wait for each other.
    FOR owner IN EXECUTE format('SELECT DISTINCT %I FROM written WHERE %s ORDER BY 1', TG_ARGV[0], TG_ARGV[2]) LOOP
        PERFORM hold(TG_TABLE_NAME, owner);
        EXECUTE format('SELECT count(*) FROM %I WHERE %I = $1 AND %s', TG_TABLE_NAME, TG_ARGV[0], TG_ARGV[2])
            INTO found USING owner;
        IF found > TG_ARGV[1]::bigint THEN
            RAISE check_violation USING MESSAGE = format(TG_ARGV[3], TG_ARGV[1]), CONSTRAINT = 'bounded';
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

CREATE TRIGGER most_circles AFTER INSERT ON circles REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION bounded('owner_id', '50', 'true', 'nobody has more than %s circles');
CREATE TRIGGER most_members AFTER INSERT ON circle_members REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION bounded('circle_id', '500', 'true', 'a circle has no more than %s people');
CREATE TRIGGER most_open_rooms AFTER INSERT ON rooms REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION 
    bounded('owner_id', '20', $$state <> 'ended'$$, 'nobody has more than %s rooms open: close some');
CREATE TRIGGER most_on_stage AFTER INSERT ON room_roles REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION
    bounded('room_id', '100', $$role <> 'listener'$$, 'no more than %s are on a stage');
-- A second trigger, for one with a transition table cannot be for two events.
CREATE TRIGGER most_on_stage_by_update AFTER UPDATE ON room_roles REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION
    bounded('room_id', '100', $$role <> 'listener'$$, 'no more than %s are on a stage');

---------------------------------------------------------------------------------------------------- follows and blocks

-- Whether a follow is asked for or stands at once. Many may follow one account beside each other; turning it private or
-- public waits for those under way, and those that come later see it. Fires behind `tie_allowed`.
CREATE FUNCTION tie_decided() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM hold_shared('privacy', NEW.followee_id);
    SELECT CASE WHEN is_private THEN 'pending' ELSE 'active' END INTO NEW.status FROM users WHERE id = NEW.followee_id;
    RETURN NEW;
END $$;
CREATE TRIGGER tie_decided BEFORE INSERT ON follows FOR EACH ROW EXECUTE FUNCTION tie_decided();

-- A block of nobody is no row: it is answered as any other, so it does not tell who exists. Rows in somebody else's name
-- are left to the policy, which refuses them.
CREATE FUNCTION tie_to_somebody() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.blocker_id = viewer_id() AND NOT EXISTS (SELECT FROM users WHERE id = NEW.blocked_id) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER tie_to_somebody BEFORE INSERT ON blocks FOR EACH ROW EXECUTE FUNCTION tie_to_somebody();

---------------------------------------------------------------------------------------------------- invitations

-- Whoever has a block with the inviter is left out, and so is whoever has had 20 invitations within a day from people
-- whom they do not follow.
CREATE FUNCTION invitation_allowed() RETURNS trigger
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
CREATE TRIGGER invitation_allowed BEFORE INSERT ON room_invitations
    FOR EACH ROW EXECUTE FUNCTION invitation_allowed();
CREATE INDEX room_invitations_by_time ON room_invitations (user_id, created_at);
DROP INDEX room_invitations_of_user;

---------------------------------------------------------------------------------------------------- suspension

-- Whatever tool suspends or deletes somebody, their sessions end with it: the event closes their sockets. Each change
-- of a status is one audit row.
CREATE FUNCTION status_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    why text := CASE NEW.status WHEN 'suspended' THEN 'suspended' ELSE 'revoked' END;
    ended bigint[] := '{}';
BEGIN
    IF NEW.status <> 'active' THEN
        WITH revoked AS (
            UPDATE sessions SET revoked_at = now(), revoked_reason = why
            WHERE user_id = NEW.id AND revoked_at IS NULL RETURNING id)
        SELECT coalesce(array_agg(id), '{}') INTO ended FROM revoked;
        INSERT INTO outbox (id, topic, key, payload) VALUES (
            mint_id(), 'session.ended', NEW.id::text,
            convert_to(jsonb_build_object('v', 1, 'user_id', NEW.id, 'session_ids', ended, 'reason', why)::text,
                       'UTF8'));
    END IF;
    INSERT INTO audit (id, actor_id, action, resource, changes) VALUES (
        mint_id(), viewer_id(), 'user.status', 'user:' || NEW.id,
        jsonb_build_object('before', OLD.status, 'status', NEW.status, 'ended_sessions', cardinality(ended)));
    RETURN NULL;
END $$;
CREATE TRIGGER status_changed AFTER UPDATE OF status ON users
    FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION status_changed();

---------------------------------------------------------------------------------------------------- who may

-- To whom something is done in a room. `has_place`: they have, or had, a role or a mute there, or are its host;
-- `hides`: they block the moderator; `may_enter`: there is no block with the moderator and they may see the room.
DROP FUNCTION room_target;
CREATE FUNCTION room_target(room bigint, person bigint)
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

-- Whether that account was opened with that name within the last ten minutes: its device may have lost the answer.
CREATE FUNCTION registered_just_now(address text, name text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN EXISTS (SELECT FROM public.accounts a JOIN public.users u ON u.id = a.user_id
                   WHERE a.email_key = address AND u.username_key = name
                     AND a.created_at > now() - interval '10 minutes');

---------------------------------------------------------------------------------------------------- doors

REVOKE EXECUTE ON FUNCTION hold, hold_shared, mint_id, bounded, tie_decided, tie_to_somebody, invitation_allowed,
    status_changed, room_target, registered_just_now FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hold, room_target, registered_just_now TO daira_app;
