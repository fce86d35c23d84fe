-- Deleting an account: hidden at once, cancelled or erased later.

-- Hide the viewer's account, and have it erased after the grace. Returns when; null for a viewer whose account
-- is hidden already. A suspension stays.
-- The change of the status ends all sessions.
CREATE OR REPLACE FUNCTION request_deletion(grace interval) RETURNS timestamptz
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    due timestamptz;
BEGIN
    PERFORM FROM users WHERE id = viewer_id() AND status IN ('active', 'suspended', 'banned') FOR NO KEY UPDATE;
    IF NOT FOUND THEN RETURN NULL; END IF;
    INSERT INTO account_deletions (user_id, erase_at) VALUES (viewer_id(), now() + greatest(grace, interval '0'))
        ON CONFLICT (user_id) DO UPDATE SET user_id = excluded.user_id RETURNING erase_at INTO due;
    UPDATE users SET status = 'leaving' WHERE id = viewer_id() AND status = 'active';
    RETURN due;
END $$;
GRANT EXECUTE ON FUNCTION request_deletion TO daira_app;

-- When the viewer's account will be erased; null if it will not be.
CREATE OR REPLACE FUNCTION deletion_due() RETURNS timestamptz
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN (SELECT d.erase_at FROM public.account_deletions d
            WHERE d.user_id = public.viewer_id() AND d.erased_at IS NULL);
GRANT EXECUTE ON FUNCTION deletion_due TO daira_app;

-- Show the viewer's account again, if its erasure has not begun. A suspension since then stays. Returns false if there
-- was nothing to cancel.
CREATE OR REPLACE FUNCTION cancel_deletion() RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    -- Workers lock the same row before they erase anything.
    DELETE FROM account_deletions WHERE user_id = viewer_id() AND erased_at IS NULL AND erase_at > now();
    IF NOT FOUND THEN RETURN false; END IF;
    UPDATE users SET status = 'active' WHERE id = viewer_id() AND status = 'leaving';
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION cancel_deletion TO daira_app;

-- A suspension that ends does not show an account again that is to be deleted, or was.
CREATE OR REPLACE FUNCTION deletion_holds() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    SELECT CASE WHEN d.erased_at IS NULL THEN 'leaving' ELSE 'deleted' END INTO NEW.status
    FROM account_deletions d WHERE d.user_id = NEW.id;
    NEW.status := coalesce(NEW.status, 'active');
    RETURN NEW;
END $$;
