-- Erasing the accounts whose grace period is over. personal_data.sql has the steps.

-- Claim an account that is due, for five minutes; no row if there is none. Each step renews the claim.
CREATE OR REPLACE FUNCTION claim_erasure() RETURNS TABLE (user_id bigint, at_step text, since bigint)
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE account_deletions d SET claimed_until = now() + interval '5 minutes'
    WHERE d.user_id = (
        SELECT e.user_id FROM account_deletions e
        WHERE e.erased_at IS NULL AND e.erase_at <= now() AND (e.claimed_until IS NULL OR e.claimed_until < now())
        ORDER BY e.erase_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING d.user_id, d.at_step, d.since
$$;
GRANT EXECUTE ON FUNCTION claim_erasure TO daira_worker;

-- Ids of hashtags and words that only this person has used, above an id.
CREATE OR REPLACE FUNCTION sole_search_uses(person bigint, above bigint, amount integer) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT s.id FROM search_uses s
    WHERE cardinality(s.author_ids) = 1 AND s.author_ids[1] = person AND s.id > above ORDER BY s.id LIMIT amount
$$;
GRANT EXECUTE ON FUNCTION sole_search_uses TO daira_worker;

-- Leaves chats, for the last time. A group that the person owned gets an heir. Returns how many chats were left.
CREATE OR REPLACE FUNCTION erase_memberships(person bigint, amount integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    left_chat bigint;
    done integer := 0;
BEGIN
    FOR left_chat IN SELECT m.chat_id FROM chat_members m WHERE m.user_id = person AND m.state <> 'left' LIMIT amount LOOP
        PERFORM set_config('app.user_id', person::text, true); -- for `leave_chat`
        PERFORM leave_chat(left_chat);
        PERFORM set_config('app.user_id', '', true);
        UPDATE chat_members m SET state = 'left', role = 'member', muted_until = NULL
        WHERE m.chat_id = left_chat AND m.user_id = person;
        done := done + 1;
    END LOOP;
    RETURN done;
END $$;

-- The digest of a room without the person's messages and time on the stage; as its host, a user without a name.
CREATE OR REPLACE FUNCTION digest_without(digest jsonb, person bigint) RETURNS jsonb
    LANGUAGE sql IMMUTABLE SET search_path = public, pg_temp AS $$
    SELECT digest || jsonb_build_object(
        'host', CASE WHEN digest #>> '{host,id}' = person::text
            THEN jsonb_build_object('id', '0', 'username', 'deleted', 'display_name', '', 'avatar_url', NULL,
                                    'is_verified', false)
            ELSE digest -> 'host' END,
        'speakers', coalesce((SELECT jsonb_agg(s ORDER BY n) FROM jsonb_array_elements(digest -> 'speakers')
            WITH ORDINALITY each_one (s, n) WHERE s #>> '{user,id}' <> person::text), '[]'),
        'top_messages', coalesce((SELECT jsonb_agg(s ORDER BY n) FROM jsonb_array_elements(digest -> 'top_messages')
            WITH ORDINALITY each_one (s, n) WHERE s #>> '{message,sender,id}' <> person::text), '[]'),
        'summary', coalesce((SELECT jsonb_agg(s ORDER BY n) FROM jsonb_array_elements(digest -> 'summary')
            WITH ORDINALITY each_one (s, n) WHERE s #>> '{sender,id}' <> person::text), '[]'))
$$;

-- Takes the person out of digests: of rooms in which the person wrote or spoke, or that the person hosted. Those of the
-- person's own rooms go. Returns how many digests changed.
CREATE OR REPLACE FUNCTION erase_digests(person bigint, amount integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    done integer;
    more integer;
BEGIN
    DELETE FROM room_digests WHERE room_id IN (
        SELECT d.room_id FROM room_digests d JOIN rooms r ON r.id = d.room_id WHERE r.owner_id = person LIMIT amount);
    GET DIAGNOSTICS done = ROW_COUNT;
    UPDATE room_digests SET body = convert_to(digest_without(convert_from(body, 'UTF8')::jsonb, person)::text, 'UTF8')
    WHERE room_id IN (
        SELECT d.room_id FROM room_digests d WHERE d.room_id IN (
            SELECT m.room_id FROM room_messages m WHERE m.sender_id = person
            UNION SELECT t.room_id FROM room_turns t WHERE t.user_id = person
            UNION SELECT r.id FROM rooms r WHERE r.host_id = person)
            AND position(convert_to('"' || person || '"', 'UTF8') IN d.body) > 0
        LIMIT amount);
    GET DIAGNOSTICS more = ROW_COUNT;
    RETURN done + more;
END $$;

-- The last step: the name is free for others after the reservation, and the erasure is on record.
CREATE OR REPLACE FUNCTION finish_erasure(person bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE account_deletions SET erased_at = now(), claimed_until = NULL
    WHERE user_id = person AND erased_at IS NULL AND erase_at <= now()
        AND EXISTS (SELECT FROM users u WHERE u.id = person AND u.status = 'deleted');
    RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION finish_erasure TO daira_worker;

-- Reserve the name of a person whose erasure is due, before the last step takes it away.
CREATE OR REPLACE FUNCTION reserve_username(person bigint, reserved interval) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DELETE FROM username_reservations WHERE until < now();
    INSERT INTO username_reservations AS r (key_hash, until)
    SELECT sha256(convert_to(u.username_key, 'UTF8')), now() + reserved
    FROM users u JOIN account_deletions d ON d.user_id = u.id
    WHERE u.id = person AND u.status <> 'deleted' AND d.erased_at IS NULL AND d.erase_at <= now()
    ON CONFLICT (key_hash) DO UPDATE SET until = greatest(r.until, EXCLUDED.until)
$$;
GRANT EXECUTE ON FUNCTION reserve_username TO daira_worker;

-- Accounts that are due, and for how many seconds the oldest has been.
CREATE OR REPLACE FUNCTION erasure_backlog(OUT accounts bigint, OUT age double precision)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT count(*), greatest(0, coalesce(extract(epoch FROM now() - min(d.erase_at)), 0))::float8
    FROM account_deletions d WHERE d.erased_at IS NULL AND d.erase_at <= now()
$$;
GRANT EXECUTE ON FUNCTION erasure_backlog TO daira_app, daira_worker;
