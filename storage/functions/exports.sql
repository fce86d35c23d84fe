-- Exports of accounts. personal_data.sql has the rows that they contain.

-- The newest export of the viewer, or a new one if there was none in the last day that has not failed. No row for a
-- viewer who is leaving or erased. Suspended users have the right to their data, too.
CREATE OR REPLACE FUNCTION request_export(new_id bigint, key text)
    RETURNS TABLE (id bigint, state text, object_key text, created_at timestamptz, size_bytes bigint,
                   expires_at timestamptz, is_new boolean)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM users u WHERE u.id = viewer_id() AND u.status IN ('active', 'suspended', 'banned')
    FOR NO KEY UPDATE; -- two calls take turns
    IF NOT FOUND THEN RETURN; END IF;
    RETURN QUERY SELECT e.id, e.state, e.object_key, e.created_at, e.size_bytes, e.expires_at, false
        FROM account_exports e
        WHERE e.user_id = viewer_id() AND e.state IN ('waiting', 'ready')
            AND (e.state = 'waiting' OR e.created_at > now() - interval '1 day')
        ORDER BY e.id DESC LIMIT 1;
    IF FOUND THEN RETURN; END IF;
    RETURN QUERY INSERT INTO account_exports AS e (id, user_id, object_key) VALUES (new_id, viewer_id(), key)
        RETURNING e.id, e.state, e.object_key, e.created_at, e.size_bytes, e.expires_at, true;
END $$;
GRANT EXECUTE ON FUNCTION request_export TO daira_app;

-- Claim the export that has waited longest, for ten minutes. One that was begun three times fails.
CREATE OR REPLACE FUNCTION claim_export()
    RETURNS TABLE (id bigint, user_id bigint, object_key text, locale text, username text, created_at timestamptz)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE account_exports e SET state = 'failed', claimed_until = NULL
    WHERE e.state = 'waiting' AND e.attempts >= 3 AND e.claimed_until < now();
    RETURN QUERY UPDATE account_exports e SET attempts = attempts + 1, claimed_until = now() + interval '10 minutes'
        FROM users u LEFT JOIN accounts a ON a.user_id = u.id
        WHERE u.id = e.user_id AND e.id = (
            SELECT w.id FROM account_exports w
            WHERE w.state = 'waiting' AND (w.claimed_until IS NULL OR w.claimed_until < now())
            ORDER BY w.id LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING e.id, e.user_id, e.object_key, coalesce(a.locale, 'ar-EG'), u.username, e.created_at;
END $$;
GRANT EXECUTE ON FUNCTION claim_export TO daira_worker;

-- Keep the claim for ten more minutes. Returns false if the export is no longer wanted: another worker has finished it,
-- or its user is erased.
CREATE OR REPLACE FUNCTION renew_export(export bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE account_exports SET claimed_until = now() + interval '10 minutes' WHERE id = export AND state = 'waiting';
    RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION renew_export TO daira_worker;

-- Whether a worker makes an export of that user.
CREATE OR REPLACE FUNCTION export_runs(person bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN EXISTS (SELECT FROM public.account_exports e
                   WHERE e.user_id = person AND e.state = 'waiting' AND e.claimed_until > now());

-- The archive is in the bucket: its user is notified. Returns when it expires; null if it is no longer wanted. If another
-- worker has finished the export, this archive has replaced that worker's.
CREATE OR REPLACE FUNCTION finish_export(export bigint, size bigint, kept interval, message text) RETURNS timestamptz
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    done account_exports;
    message_id bigint := mint_id();
BEGIN
    UPDATE account_exports SET state = 'ready', claimed_until = NULL, size_bytes = size, expires_at = now() + kept
    WHERE id = export AND state = 'waiting' RETURNING * INTO done;
    IF NOT FOUND THEN
        UPDATE account_exports SET size_bytes = size WHERE id = export AND state = 'ready' RETURNING * INTO done;
        RETURN done.expires_at;
    END IF;
    INSERT INTO system_messages (id, text, user_id, told_id, finished_at)
        VALUES (message_id, message, done.user_id, done.user_id, now());
    INSERT INTO outbox (id, topic, key, payload) VALUES (
        mint_id(), 'system.message_sent', message_id::text, convert_to(jsonb_build_object(
            'v', 1, 'message_id', message_id, 'first_id', done.user_id, 'last_id', done.user_id)::text, 'UTF8'));
    RETURN done.expires_at;
END $$;
GRANT EXECUTE ON FUNCTION finish_export TO daira_worker;

-- Archives whose time is over go. Returns how many.
CREATE OR REPLACE FUNCTION expire_exports(amount integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    done integer;
BEGIN
    UPDATE account_exports SET state = 'expired' WHERE id IN (
        SELECT e.id FROM account_exports e WHERE e.state = 'ready' AND e.expires_at <= now() LIMIT amount);
    GET DIAGNOSTICS done = ROW_COUNT;
    RETURN done;
END $$;
GRANT EXECUTE ON FUNCTION expire_exports TO daira_worker;

-- For how many seconds the oldest export has waited.
CREATE OR REPLACE FUNCTION export_backlog() RETURNS double precision
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT greatest(0, coalesce(extract(epoch FROM now() - min(e.created_at)), 0))::float8
    FROM account_exports e WHERE e.state = 'waiting'
$$;
GRANT EXECUTE ON FUNCTION export_backlog TO daira_app, daira_worker;

CREATE OR REPLACE FUNCTION export_told() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO outbox (id, topic, key, payload) VALUES (
        mint_id(), 'media.deleted', OLD.id::text,
        convert_to(jsonb_build_object('v', 1, 'media_id', OLD.id, 'prefixes', ARRAY [OLD.object_key])::text, 'UTF8'));
    RETURN NULL;
END $$;
