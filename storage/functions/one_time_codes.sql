-- One-time codes by e-mail, and the mails that carry them. The roles reach both tables only through these functions.

-- Replaces the code of the viewer or, before sign-in, of `whose`, and schedules its mail. It writes the same rows for an
-- address without an account, so that neither answer nor duration reveals whether there is one; workers drop that mail.
-- Returns whether it has written them.
CREATE OR REPLACE FUNCTION begin_code(code_id bigint, what text, whose text, new_key text, new_address text)
    RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    to_user    bigint;
    to_address text;
    its_locale text;
BEGIN
    IF (what = 'reset_password') <> (viewer_id() IS NULL) THEN
        RETURN false;
    END IF;
    IF what = 'reset_password' THEN
        SELECT a.user_id, a.email, a.locale INTO to_user, to_address, its_locale
        FROM accounts a JOIN users u ON u.id = a.user_id WHERE a.email_key = new_key AND u.status <> 'deleted';
    ELSE
        SELECT a.user_id, a.locale, CASE what
            WHEN 'verify_email' THEN a.email
            ELSE (SELECT new_address WHERE NOT EXISTS (SELECT FROM accounts taken WHERE taken.email_key = new_key))
            END INTO to_user, its_locale, to_address
        FROM accounts a
        WHERE a.user_id = viewer_id() AND (what <> 'verify_email' OR a.email_verified_at IS NULL);
        IF NOT FOUND THEN
            RETURN false;
        END IF;
    END IF;
    INSERT INTO one_time_codes (id, purpose, subject, user_id, address, address_key, expires_at)
    VALUES (code_id, what, coalesce(viewer_id()::text, whose), to_user, to_address, new_key,
            now() + interval '15 minutes')
    ON CONFLICT (purpose, subject) DO UPDATE SET id = excluded.id, user_id = excluded.user_id,
        address = excluded.address, address_key = excluded.address_key, expires_at = excluded.expires_at,
        attempts = 0, used_at = NULL;
    INSERT INTO account_mails (id, user_id, address, locale, kind, expires_at)
    VALUES (code_id, to_user, to_address, coalesce(its_locale, 'ar-EG'), what, now() + interval '15 minutes');
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION begin_code TO daira_app;

-- Counts an attempt at the present code, five at most, and returns the code. A used one is returned too: its client may
-- have lost the answer.
CREATE OR REPLACE FUNCTION attempt_code(what text, whose text)
    RETURNS TABLE (code_id bigint, user_id bigint, is_used boolean)
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE one_time_codes c SET attempts = c.attempts + 1
    WHERE c.purpose = what AND c.subject = coalesce(viewer_id()::text, whose) AND c.attempts < 5
        AND c.expires_at > now() AND (what = 'reset_password') = (viewer_id() IS NULL)
    RETURNING c.id, c.user_id, c.used_at IS NOT NULL
$$;
GRANT EXECUTE ON FUNCTION attempt_code TO daira_app;

-- Uses the viewer's code, once, and does what it was for. Returns whether it could be used: not if another
-- account has taken the new address.
CREATE OR REPLACE FUNCTION use_code(code_id bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    code one_time_codes;
    past accounts;
BEGIN
    UPDATE one_time_codes c SET used_at = now()
    WHERE c.id = code_id AND c.user_id = viewer_id() AND c.used_at IS NULL AND c.expires_at > now()
    RETURNING * INTO code;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT * INTO past FROM accounts WHERE user_id = viewer_id() FOR UPDATE;
    IF code.purpose <> 'change_email' THEN
        UPDATE accounts SET email_verified_at = coalesce(email_verified_at, now())
        WHERE user_id = viewer_id() AND email = code.address;
        -- A code for an address that the account had before proves nothing about the present one.
        RETURN FOUND;
    END IF;
    UPDATE accounts SET email = code.address, email_key = code.address_key, email_verified_at = now()
    WHERE user_id = viewer_id();
    -- Codes on their way to the former address end.
    DELETE FROM one_time_codes c WHERE c.user_id = viewer_id() AND c.purpose <> 'change_email';
    DELETE FROM push_devices d WHERE d.kind = 'email' AND d.token = code.address AND d.user_id <> viewer_id();
    UPDATE push_devices d SET token = code.address WHERE d.kind = 'email' AND d.user_id = viewer_id();
    INSERT INTO account_mails (id, user_id, address, locale, kind, expires_at)
    VALUES (mint_id(), viewer_id(), past.email, past.locale, 'email_changed', now() + interval '1 day');
    RETURN true;
EXCEPTION WHEN unique_violation THEN
    RETURN false;
END $$;
GRANT EXECUTE ON FUNCTION use_code TO daira_app;

-- Deletes codes and mails a day after they have expired. Returns how many rows.
CREATE OR REPLACE FUNCTION forget_codes(most integer) RETURNS integer
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH codes AS (
        DELETE FROM one_time_codes WHERE id IN (
            SELECT id FROM one_time_codes WHERE expires_at < now() - interval '1 day' LIMIT most) RETURNING 1
    ), mails AS (
        DELETE FROM account_mails WHERE id IN (
            SELECT id FROM account_mails WHERE expires_at < now() - interval '1 day' LIMIT most) RETURNING 1
    )
    SELECT greatest((SELECT count(*) FROM codes), (SELECT count(*) FROM mails))::integer
$$;
GRANT EXECUTE ON FUNCTION forget_codes TO daira_worker;
