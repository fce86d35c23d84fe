-- Consents of users, and their birth dates.

-- The viewer agrees to a text. Agreeing to the same version again changes nothing; a newer one replaces the older.
CREATE OR REPLACE FUNCTION give_consent(new_id bigint, agreed_purpose text, agreed_version text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM users u WHERE u.id = viewer_id()) THEN RETURN; END IF;
    PERFORM hold('consents', viewer_id());
    IF EXISTS (SELECT FROM consents c WHERE c.user_id = viewer_id() AND c.purpose = agreed_purpose
               AND c.version = agreed_version AND c.withdrawn_at IS NULL) THEN
        RETURN;
    END IF;
    UPDATE consents SET withdrawn_at = now()
    WHERE user_id = viewer_id() AND purpose = agreed_purpose AND withdrawn_at IS NULL;
    INSERT INTO consents (id, user_id, purpose, version) VALUES (new_id, viewer_id(), agreed_purpose, agreed_version);
END $$;
GRANT EXECUTE ON FUNCTION give_consent TO daira_app;

-- The viewer agrees no longer. What the service rests on ends only with the account. Without a consent that stands, the
-- refusal is kept as a row that was never in force. Returns whether it ended one that was.
CREATE OR REPLACE FUNCTION withdraw_consent(new_id bigint, ended_purpose text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF ended_purpose NOT IN ('personalisation', 'location')
        OR NOT EXISTS (SELECT FROM users u WHERE u.id = viewer_id()) THEN
        RETURN false;
    END IF;
    PERFORM hold('consents', viewer_id());
    UPDATE consents SET withdrawn_at = now()
    WHERE user_id = viewer_id() AND purpose = ended_purpose AND withdrawn_at IS NULL;
    IF FOUND THEN RETURN true; END IF;
    INSERT INTO consents (id, user_id, purpose, version, withdrawn_at)
    SELECT new_id, viewer_id(), ended_purpose, 'none', now()
    WHERE NOT EXISTS (SELECT FROM consents c WHERE c.user_id = viewer_id() AND c.purpose = ended_purpose);
    RETURN false;
END $$;
GRANT EXECUTE ON FUNCTION withdraw_consent TO daira_app;

-- Whether feeds may learn from what the person does: unless the person has withdrawn it.
CREATE OR REPLACE FUNCTION may_learn_from(person bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN NOT EXISTS (SELECT FROM public.consents c WHERE c.user_id = person AND c.purpose = 'personalisation')
        OR EXISTS (SELECT FROM public.consents c WHERE c.user_id = person AND c.purpose = 'personalisation'
                   AND c.withdrawn_at IS NULL);

-- Set the viewer's birth date, or correct it, once. Returns whether it stands now. A user who is a minor by it gets a
-- private account.
CREATE OR REPLACE FUNCTION correct_birth_date(born date) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    before date;
    corrected timestamptz;
BEGIN
    SELECT a.birth_date, a.birth_date_corrected_at INTO before, corrected
    FROM accounts a WHERE a.user_id = viewer_id() FOR UPDATE;
    IF NOT FOUND OR corrected IS NOT NULL AND before <> born THEN RETURN false; END IF;
    IF before = born THEN RETURN true; END IF;
    UPDATE accounts SET birth_date = born, birth_date_corrected_at = CASE WHEN before IS NOT NULL THEN now() END
    WHERE user_id = viewer_id();
    UPDATE users SET is_private = true WHERE id = viewer_id() AND NOT is_private AND is_minor(viewer_id());
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION correct_birth_date TO daira_app;

CREATE OR REPLACE FUNCTION minor_stays_private() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF is_minor(NEW.id) THEN
        RAISE check_violation USING MESSAGE = 'the account of a minor stays private', CONSTRAINT = 'minor_stays_private';
    END IF;
    RETURN NEW;
END $$;
