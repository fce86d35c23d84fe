-- Accounts and sessions: registering, signing in, suspending.

-- The account of an email address, also of a user who may cancel its deletion, or who is suspended. Before sign-in there
-- is no viewer; with one, this and the next functions return nothing.
CREATE OR REPLACE FUNCTION account_for_login(key text) RETURNS TABLE (user_id bigint, password_hash text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT a.user_id, a.password_hash FROM accounts a JOIN users u ON u.id = a.user_id
    WHERE a.email_key = key AND u.status <> 'deleted' AND viewer_id() IS NULL
$$;
GRANT EXECUTE ON FUNCTION account_for_login TO daira_app;

-- Whether the account was opened with that username within the last ten minutes: its client may have lost the answer.
CREATE OR REPLACE FUNCTION registered_just_now(address text, name text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN EXISTS (SELECT FROM public.accounts a JOIN public.users u ON u.id = a.user_id
                   WHERE a.email_key = address AND u.username_key = name
                     AND a.created_at > now() - interval '10 minutes');
GRANT EXECUTE ON FUNCTION registered_just_now TO daira_app;

-- The user of a session, for a client that knows the family of its refresh tokens.
CREATE OR REPLACE FUNCTION session_owner(session_id bigint, family bytea) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN (SELECT s.user_id FROM public.sessions s
            WHERE s.id = session_id AND s.family_hash = family AND public.viewer_id() IS NULL);
GRANT EXECUTE ON FUNCTION session_owner TO daira_app;

-- Whether the session is alive, and its user suspended.
CREATE OR REPLACE FUNCTION restricted_session(asked bigint, person bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN EXISTS (SELECT FROM public.sessions s JOIN public.users u ON u.id = s.user_id
                   WHERE s.id = asked AND s.user_id = person AND s.revoked_at IS NULL
                     AND u.status IN ('suspended', 'banned') AND public.viewer_id() IS NULL);
GRANT EXECUTE ON FUNCTION restricted_session TO daira_app;

-- Those sessions that were revoked. A node asks it when it may have missed a revocation.
CREATE OR REPLACE FUNCTION ended_sessions(ids bigint[]) RETURNS TABLE (session_id bigint, reason text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT s.id, s.revoked_reason FROM sessions s
    WHERE s.id = ANY (ids) AND s.revoked_at IS NOT NULL AND viewer_id() IS NULL
$$;
GRANT EXECUTE ON FUNCTION ended_sessions TO daira_app;

-- Load the users who connect to a node, for many sessions at once: one row for each session that is alive.
-- `hidden`: users whose acts this user must not see. `hidden_until`: until when everything is hidden;
-- `posts_hidden_until`: until when only posts are. A block and mutes of different kinds can be in force at once. The
-- viewer cannot be set for many users, so this reads past the policies, but only what belongs to the pairs asked for.
CREATE OR REPLACE FUNCTION sign_in(asked_sessions bigint[], asked_users bigint[])
    RETURNS TABLE (session_id bigint, owner users, large_authors bigint[], hidden bigint[], hidden_until float8[],
                   posts_hidden_until float8[])
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
    SELECT s.id, u,
           ARRAY(SELECT f.followee_id FROM follows f JOIN users a ON a.id = f.followee_id
                 WHERE f.follower_id = u.id AND f.status = 'active' AND a.is_large
                   AND NOT f.followee_id = ANY (coalesce(h.ids, '{}'))),
           coalesce(h.ids, '{}'), coalesce(h.untils, '{}'), coalesce(h.posts_untils, '{}')
    FROM asked
    JOIN sessions s ON s.id = asked.session AND s.user_id = asked.person AND s.revoked_at IS NULL
    JOIN users u ON u.id = s.user_id AND u.status = 'active'
    LEFT JOIN hidden h ON h.person = u.id
$$;
GRANT EXECUTE ON FUNCTION sign_in TO daira_app;

-- Suspending, banning or deleting a user, with whatever tool, ends their sessions; the event closes their sockets. Each
-- change of a status adds an audit row, except one by a decision, which has its own: see `enforce_decision`.
CREATE OR REPLACE FUNCTION status_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    why text := CASE WHEN NEW.status IN ('suspended', 'banned') THEN NEW.status ELSE 'revoked' END;
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
    IF (NEW.status = 'active') <> (OLD.status = 'active') THEN
        INSERT INTO outbox (id, topic, key, payload) VALUES (
            mint_id(), 'account.status_changed', NEW.id::text,
            convert_to(jsonb_build_object('v', 1, 'user_id', NEW.id)::text, 'UTF8'));
    END IF;
    IF current_setting('app.by_decision', true) = 'on' THEN
        RETURN NULL;
    END IF;
    INSERT INTO audit (id, actor_id, action, resource, changes) VALUES (
        mint_id(), viewer_id(), 'user.status', 'user:' || NEW.id,
        jsonb_build_object('before', OLD.status, 'status', NEW.status, 'ended_sessions', cardinality(ended)));
    RETURN NULL;
END $$;

-- Whether the viewer may add this event to the outbox; see `may_tell_of_graph`.
CREATE OR REPLACE FUNCTION may_tell_of_session(topic text, key text, event jsonb) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN key = public.viewer_id()::text AND event ->> 'user_id' = key AND CASE topic
        WHEN 'session.started' THEN EXISTS (
            SELECT FROM public.sessions s WHERE s.id = (event ->> 'session_id')::bigint
                AND s.user_id = public.viewer_id() AND s.revoked_at IS NULL)
        WHEN 'session.ended' THEN NOT EXISTS (
            SELECT FROM jsonb_array_elements_text(event -> 'session_ids') AS ended (id)
            WHERE NOT EXISTS (SELECT FROM public.sessions s WHERE s.id = ended.id::bigint
                              AND s.user_id = public.viewer_id() AND s.revoked_at IS NOT NULL))
        ELSE false END;
GRANT EXECUTE ON FUNCTION may_tell_of_session TO daira_app;
