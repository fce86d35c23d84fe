-- Changes of usernames, and the reservation of former ones.

-- Gives the viewer another username. Returns 'changed', 'same', 'taken' or 'too soon'. The former name is reserved for
-- 30 days for its owner, who may take it back then.
CREATE OR REPLACE FUNCTION change_username(new_name text, new_key text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    past users;
BEGIN
    SELECT * INTO past FROM users WHERE id = viewer_id() AND status = 'active' FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF past.username = new_name THEN
        RETURN 'same';
    END IF;
    IF past.username_key <> new_key THEN
        UPDATE accounts SET username_changed_at = now()
        WHERE user_id = past.id AND coalesce(username_changed_at, '-infinity') <= now() - interval '14 days';
        IF NOT FOUND THEN
            RETURN 'too soon';
        END IF;
        DELETE FROM former_usernames f WHERE f.until <= now() OR f.user_id = past.id AND f.username_key = new_key;
        INSERT INTO former_usernames (username_key, user_id, until)
        VALUES (past.username_key, past.id, now() + interval '30 days');
    END IF;
    UPDATE users SET username = new_name, username_key = new_key,
        display_name = CASE WHEN display_name = past.username THEN new_name ELSE display_name END
    WHERE id = past.id;
    RETURN 'changed';
EXCEPTION WHEN unique_violation THEN
    RETURN 'taken';
END $$;
GRANT EXECUTE ON FUNCTION change_username TO daira_app;

-- A reserved name is refused as a taken one is: of an erased user, and a former one of another user. It is looked up
-- before the row is written, and after: a registration waits for a user who gives the name up, and then finds it reserved.
CREATE OR REPLACE FUNCTION username_is_free() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM username_reservations r
               WHERE r.key_hash = sha256(convert_to(NEW.username_key, 'UTF8')) AND r.until > now())
        OR EXISTS (SELECT FROM former_usernames f
                   WHERE f.username_key = NEW.username_key AND f.until > now() AND f.user_id <> NEW.id) THEN
        RAISE unique_violation USING MESSAGE = 'the username is reserved', CONSTRAINT = 'username_reserved';
    END IF;
    RETURN NEW;
END $$;
