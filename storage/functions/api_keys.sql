-- Keys of services. Admins make, list and revoke them; anonymous clients sign in by them.

CREATE OR REPLACE FUNCTION create_key(key_id bigint, new_session bigint, its_name text, its_prefix text, hash bytea,
                                      its_methods text[], days integer) RETURNS timestamptz
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    ends timestamptz := now() + make_interval(days => days);
BEGIN
    IF NOT viewer_is_admin() THEN
        RETURN NULL;
    END IF;
    -- Nobody knows a refresh token of it.
    INSERT INTO sessions (id, user_id, family_hash, refresh_hash, device_name, expires_at)
    VALUES (new_session, viewer_id(), hash, sha256(hash), its_name, ends);
    INSERT INTO api_keys (id, user_id, session_id, name, prefix, key_hash, methods)
    VALUES (key_id, viewer_id(), new_session, its_name, its_prefix, hash, its_methods);
    RETURN ends;
END $$;
GRANT EXECUTE ON FUNCTION create_key TO daira_app;

-- All keys, newest first.
CREATE OR REPLACE FUNCTION key_page(before bigint, most integer)
    RETURNS TABLE (id bigint, name text, prefix text, methods text[], username text, created_at timestamptz,
                   expires_at timestamptz, last_used_at timestamptz, revoked_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT k.id, k.name, k.prefix, k.methods, u.username, k.created_at, s.expires_at, k.last_used_at, s.revoked_at
    FROM api_keys k JOIN sessions s ON s.id = k.session_id JOIN users u ON u.id = k.user_id
    WHERE viewer_is_admin() AND k.id < before ORDER BY k.id DESC LIMIT most
$$;
GRANT EXECUTE ON FUNCTION key_page TO daira_app;

-- Ends the key's session; the event closes its sockets. Returns the session, also of a key that was revoked before.
CREATE OR REPLACE FUNCTION revoke_key(key_id bigint) RETURNS TABLE (session_id bigint, is_new boolean)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    key api_keys;
BEGIN
    SELECT * INTO key FROM api_keys k WHERE k.id = key_id AND viewer_is_admin();
    IF NOT FOUND THEN
        RETURN;
    END IF;
    UPDATE sessions s SET revoked_at = now(), revoked_reason = 'revoked'
    WHERE s.id = key.session_id AND s.revoked_at IS NULL;
    session_id := key.session_id;
    is_new := FOUND;
    IF is_new THEN
        INSERT INTO outbox (id, topic, key, payload) VALUES (
            mint_id(), 'session.ended', key.user_id::text,
            convert_to(jsonb_build_object('v', 1, 'user_id', key.user_id, 'session_ids', ARRAY [key.session_id],
                                          'reason', 'revoked')::text, 'UTF8'));
    END IF;
    RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION revoke_key TO daira_app;

-- The user, session and rights of a key that is alive. Its use is noted, and audited at most once a minute.
CREATE OR REPLACE FUNCTION admit_key(hash bytea, address text)
    RETURNS TABLE (user_id bigint, session_id bigint, expires_at timestamptz, methods text[])
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH found AS (
        SELECT k.id, k.user_id, k.session_id, s.expires_at, k.methods, k.last_used_at
        FROM api_keys k JOIN sessions s ON s.id = k.session_id
        WHERE k.key_hash = hash AND s.revoked_at IS NULL AND s.expires_at > now() AND viewer_id() IS NULL
    ), used AS (
        UPDATE api_keys k SET last_used_at = now() FROM found f
        WHERE k.id = f.id AND coalesce(f.last_used_at, '-infinity') < now() - interval '1 minute' RETURNING k.id, k.user_id
    ), noted AS (
        INSERT INTO audit (id, actor_id, action, resource, ip)
        SELECT mint_id(), u.user_id, 'key.used', 'key:' || u.id, address FROM used u
    )
    SELECT f.user_id, f.session_id, f.expires_at, f.methods FROM found f
$$;
GRANT EXECUTE ON FUNCTION admit_key TO daira_app;
