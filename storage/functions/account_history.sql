-- Sign-ins to the viewer's account, failures and changes of the last 90 days, newest first.
CREATE OR REPLACE FUNCTION own_history(before bigint, most integer)
    RETURNS TABLE (id bigint, action text, ip text, at timestamptz, device_name text, session_id bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT a.id, a.action, a.ip, a.recorded_at, s.device_name, s.id
    FROM audit a LEFT JOIN sessions s
        ON s.id = CASE WHEN a.resource LIKE 'session:%' THEN substr(a.resource, 9)::bigint END
            AND s.user_id = viewer_id()
    WHERE a.actor_id = viewer_id() AND a.id < before AND a.id > snowflake_at(now() - interval '90 days')
        AND (a.action LIKE 'auth.%' AND a.action <> 'auth.refresh'
             OR a.action IN ('session.revoke', 'account.delete', 'account.cancel_delete', 'key.create', 'key.revoke'))
    ORDER BY a.id DESC LIMIT most
$$;
GRANT EXECUTE ON FUNCTION own_history TO daira_app;
