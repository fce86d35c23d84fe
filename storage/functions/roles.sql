-- Roles of users. They are read when they matter, never from a token.

CREATE OR REPLACE FUNCTION viewer_is_moderator() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN EXISTS (SELECT FROM public.users WHERE id = public.viewer_id() AND role IN ('moderator', 'admin')
                   AND status = 'active');
GRANT EXECUTE ON FUNCTION viewer_is_moderator TO daira_app;

CREATE OR REPLACE FUNCTION viewer_is_admin() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN EXISTS (SELECT FROM public.users WHERE id = public.viewer_id() AND role = 'admin' AND status = 'active');
GRANT EXECUTE ON FUNCTION viewer_is_admin TO daira_app;

-- Each change of a role adds an audit row. If it takes rights away, the user's sessions end; the event closes their
-- sockets, which may be in the moderators' channel.
CREATE OR REPLACE FUNCTION role_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    ended bigint[] := '{}';
BEGIN
    IF OLD.role = 'admin' OR OLD.role = 'moderator' AND NEW.role <> 'admin' THEN
        WITH revoked AS (
            UPDATE sessions SET revoked_at = now(), revoked_reason = 'revoked'
            WHERE user_id = NEW.id AND revoked_at IS NULL RETURNING id)
        SELECT coalesce(array_agg(id), '{}') INTO ended FROM revoked;
        INSERT INTO outbox (id, topic, key, payload) VALUES (
            mint_id(), 'session.ended', NEW.id::text,
            convert_to(jsonb_build_object('v', 1, 'user_id', NEW.id, 'session_ids', ended, 'reason', 'revoked')::text,
                       'UTF8'));
    END IF;
    INSERT INTO audit (id, actor_id, action, resource, changes) VALUES (
        mint_id(), viewer_id(), 'user.role', 'user:' || NEW.id,
        jsonb_build_object('before', OLD.role, 'role', NEW.role, 'ended_sessions', cardinality(ended)));
    RETURN NULL;
END $$;
