-- Devices that are notified while their user is offline.

-- Before a device is registered: it leaves the user who had it before and replaces the session's last one of its kind,
-- and a user keeps the 20 that were registered last.
CREATE OR REPLACE FUNCTION device_registered() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    -- If the session is being revoked, this waits: the revocation deletes only the devices that it sees.
    IF NEW.session_id IS NOT NULL THEN
        PERFORM FROM sessions WHERE id = NEW.session_id AND revoked_at IS NULL FOR SHARE;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    PERFORM hold('push_devices', NEW.user_id);
    PERFORM hold('push_devices ' || NEW.kind || NEW.token, 0);
    DELETE FROM push_devices d WHERE d.kind = NEW.kind AND d.token = NEW.token AND d.user_id <> NEW.user_id;
    DELETE FROM push_devices d WHERE d.kind = NEW.kind AND d.token <> NEW.token AND d.user_id = NEW.user_id
        AND d.session_id IS NOT DISTINCT FROM NEW.session_id;
    DELETE FROM push_devices WHERE id IN (
        SELECT id FROM push_devices d WHERE d.user_id = NEW.user_id AND (d.kind, d.token) <> (NEW.kind, NEW.token)
        ORDER BY d.registered_at DESC, d.id DESC OFFSET 19 FOR UPDATE SKIP LOCKED);
    RETURN NEW;
END $$;

-- Whoever revokes a session.
CREATE OR REPLACE FUNCTION session_loses_devices() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM push_devices WHERE session_id = NEW.id;
    RETURN NULL;
END $$;

-- The devices that may be sent to now: of active users, of sessions that are alive, and the account's present address.
CREATE OR REPLACE FUNCTION push_devices_of(users bigint[])
    RETURNS TABLE (id bigint, user_id bigint, kind text, token text, locale text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    -- LIMIT and the subquery keep the planner from reading all accounts and sessions for a few hundred devices.
    SELECT d.id, d.user_id, d.kind, d.token, a.locale
    FROM push_devices d
    CROSS JOIN LATERAL (SELECT email, accounts.locale FROM accounts JOIN users u ON u.id = accounts.user_id
                        WHERE accounts.user_id = d.user_id AND u.status = 'active' LIMIT 1) a
    WHERE d.user_id = ANY (users) AND CASE d.kind
        WHEN 'email' THEN d.token = a.email
        ELSE (SELECT s.revoked_at IS NULL AND s.expires_at > now() FROM sessions s WHERE s.id = d.session_id)
    END
    ORDER BY d.id
$$;
GRANT EXECUTE ON FUNCTION push_devices_of TO daira_worker;
