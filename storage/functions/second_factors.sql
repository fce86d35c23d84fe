-- The second factor of the viewer. The application reaches its tables only through these functions.

CREATE OR REPLACE FUNCTION has_second_factor() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN EXISTS (SELECT FROM public.second_factors f
                   WHERE f.user_id = public.viewer_id() AND f.confirmed_at IS NOT NULL);
GRANT EXECUTE ON FUNCTION has_second_factor TO daira_app;

-- Locks it, so that of codes that are checked at once each sees what the one before has changed.
CREATE OR REPLACE FUNCTION lock_second_factor()
    RETURNS TABLE (sealed bytea, last_step bigint, blocked_until timestamptz, confirmed_at timestamptz)
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT f.sealed, f.last_step, f.blocked_until, f.confirmed_at FROM second_factors f
    WHERE f.user_id = viewer_id() FOR UPDATE
$$;
GRANT EXECUTE ON FUNCTION lock_second_factor TO daira_app;

-- Keeps a secret that is not confirmed. Returns whether it was kept: not beside a confirmed one.
CREATE OR REPLACE FUNCTION begin_second_factor(sealed bytea) RETURNS boolean
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO second_factors AS f (user_id, sealed)
    SELECT u.id, begin_second_factor.sealed FROM users u WHERE u.id = viewer_id() AND u.status = 'active'
    ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, last_step = 0, failures = 0, blocked_until = NULL
        WHERE f.confirmed_at IS NULL
    RETURNING true
$$;
GRANT EXECUTE ON FUNCTION begin_second_factor TO daira_app;

CREATE OR REPLACE FUNCTION confirm_second_factor(its_session bigint, step bigint, code_hashes bytea[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE second_factors f SET confirmed_at = coalesce(f.confirmed_at, now()) WHERE f.user_id = viewer_id();
    PERFORM pass_second_factor(its_session, step, NULL), replace_recovery_codes(code_hashes);
END $$;
GRANT EXECUTE ON FUNCTION confirm_second_factor TO daira_app;

CREATE OR REPLACE FUNCTION pass_second_factor(its_session bigint, step bigint, resealed bytea) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE second_factors f SET failures = 0, blocked_until = NULL,
        last_step = greatest(f.last_step, step), sealed = coalesce(resealed, f.sealed)
    WHERE f.user_id = viewer_id();
    UPDATE sessions s SET second_factor_at = now() WHERE s.id = its_session AND s.user_id = viewer_id();
END $$;
GRANT EXECUTE ON FUNCTION pass_second_factor TO daira_app;

CREATE OR REPLACE FUNCTION fail_second_factor() RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE second_factors f SET failures = f.failures + 1, blocked_until = CASE WHEN f.failures >= 4
        THEN now() + least(interval '1 minute' * 2 ^ least(f.failures - 4, 10), interval '1 hour') END
    WHERE f.user_id = viewer_id()
$$;
GRANT EXECUTE ON FUNCTION fail_second_factor TO daira_app;

CREATE OR REPLACE FUNCTION use_recovery_code(hash bytea) RETURNS boolean
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE recovery_codes c SET used_at = now()
    WHERE c.user_id = viewer_id() AND c.code_hash = hash AND c.used_at IS NULL RETURNING true
$$;
GRANT EXECUTE ON FUNCTION use_recovery_code TO daira_app;

CREATE OR REPLACE FUNCTION replace_recovery_codes(code_hashes bytea[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM recovery_codes c WHERE c.user_id = viewer_id();
    INSERT INTO recovery_codes (user_id, code_hash)
    SELECT f.user_id, hash FROM second_factors f, unnest(code_hashes) AS hash
    WHERE f.user_id = viewer_id() AND f.confirmed_at IS NOT NULL;
END $$;
GRANT EXECUTE ON FUNCTION replace_recovery_codes TO daira_app;

CREATE OR REPLACE FUNCTION end_second_factor() RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM recovery_codes c WHERE c.user_id = viewer_id();
    DELETE FROM second_factors f WHERE f.user_id = viewer_id();
    RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION end_second_factor TO daira_app;

-- A notice to the viewer's own address, which nobody can switch off.
CREATE OR REPLACE FUNCTION notify_account(what text, about text) RETURNS boolean
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO account_mails (id, user_id, address, locale, kind, detail, expires_at)
    SELECT mint_id(), a.user_id, a.email, a.locale, what, left(about, 100), now() + interval '1 day'
    FROM accounts a WHERE a.user_id = viewer_id()
        AND what NOT IN ('verify_email', 'reset_password', 'change_email', 'email_changed')
    RETURNING true
$$;
GRANT EXECUTE ON FUNCTION notify_account TO daira_app;

CREATE OR REPLACE FUNCTION recovery_codes_left() RETURNS integer
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN (SELECT count(*) FROM public.recovery_codes c WHERE c.user_id = public.viewer_id() AND c.used_at IS NULL);
GRANT EXECUTE ON FUNCTION recovery_codes_left TO daira_app;
