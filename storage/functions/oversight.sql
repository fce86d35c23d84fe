-- Oversight for moderators and admins: one account, the audit trail, and the state of the queue.

-- The account of a moderator's review, by id or by name; no row for other viewers.
CREATE OR REPLACE FUNCTION reviewed_account(target bigint, name_key text)
    RETURNS TABLE (id bigint, username text, display_name text, bio text, role text, status text, is_verified boolean,
                   is_private boolean, is_minor boolean, created_at timestamptz, follower_count integer,
                   post_count integer, upheld integer, rejected integer)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp ROWS 1 AS $$
    SELECT u.id, u.username, u.display_name, u.bio, u.role, u.status, u.is_verified, u.is_private, is_minor(u.id),
           u.created_at, u.follower_count, u.post_count, coalesce(r.upheld, 0), coalesce(r.rejected, 0)
    FROM users u LEFT JOIN reporters r ON r.user_id = u.id
    WHERE (u.id = target OR u.username_key = name_key) AND viewer_is_moderator()
$$;
GRANT EXECUTE ON FUNCTION reviewed_account TO daira_app;

-- A page of the audit trail, newest first, for admins. It looks through `most_seen` rows before `before`, those of one
-- actor if one is given. The columns of the row without an id say how many rows it saw, and the oldest of them.
CREATE OR REPLACE FUNCTION audit_page(actor bigint, beginning text, of_resource text, before bigint, most integer,
                                      most_seen integer)
    RETURNS TABLE (id bigint, actor_id bigint, action text, resource text, changes jsonb, ip text,
                   recorded_at timestamptz, seen bigint, oldest_seen bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH rows_seen AS MATERIALIZED (
        (SELECT a.* FROM audit a WHERE actor IS NULL AND viewer_is_admin() AND a.id < before
         ORDER BY a.id DESC LIMIT most_seen)
        UNION ALL
        (SELECT a.* FROM audit a WHERE a.actor_id = actor AND viewer_is_admin() AND a.id < before
         ORDER BY a.id DESC LIMIT most_seen)
    ), matching AS (
        SELECT s.* FROM rows_seen s
        WHERE (beginning IS NULL OR starts_with(s.action, beginning))
          AND (of_resource IS NULL OR s.resource = of_resource)
        ORDER BY s.id DESC LIMIT most
    )
    SELECT m.id, m.actor_id, m.action, m.resource, m.changes, m.ip, m.recorded_at, seen.rows, seen.oldest
    FROM (SELECT count(*) AS rows, min(s.id) AS oldest FROM rows_seen s) seen LEFT JOIN matching m ON true
    ORDER BY m.id DESC
$$;
GRANT EXECUTE ON FUNCTION audit_page TO daira_app;

-- How many open cases have the severity, counted up to `most`.
CREATE OR REPLACE FUNCTION open_cases(gravity integer, most integer) RETURNS integer
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT count(*)::integer FROM (
        SELECT FROM cases c
        WHERE c.status = 'open' AND -c.priority > -(gravity + 1) * 1000000 AND -c.priority <= -gravity * 1000000
        LIMIT most) counted
$$;

-- The state of the queue, for moderators; no row for other viewers. Times are those of the newest 1,000 decisions.
CREATE OR REPLACE FUNCTION queue_numbers(most integer)
    RETURNS TABLE (open integer[], claimed integer, overdue integer, oldest_open_at timestamptz, opened integer,
                   decided integer, handling_s double precision)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp ROWS 1 AS $$
    WITH judged AS (
        SELECT c.id, c.decided_at FROM cases c
        WHERE c.status = 'decided' AND c.decided_at > now() - interval '24 hours'
        ORDER BY c.decided_at DESC, c.id DESC LIMIT most
    ), handled AS (
        SELECT extract(epoch FROM j.decided_at - a.created_at) AS seconds
        FROM (SELECT * FROM judged LIMIT 1000) j CROSS JOIN LATERAL (
            SELECT a.created_at FROM case_acts a
            WHERE a.case_id = j.id AND a.kind = 'claimed' AND a.created_at <= j.decided_at ORDER BY a.id DESC LIMIT 1) a
    )
    SELECT ARRAY(SELECT open_cases(gravity, most) FROM generate_series(0, 4) gravity),
           (SELECT count(*)::integer FROM (
               SELECT FROM cases c WHERE c.claimed_by IS NOT NULL AND c.status = 'open' AND c.claimed_until > now()
               LIMIT most) counted),
           (SELECT count(*)::integer FROM (
               SELECT FROM cases c WHERE c.status = 'open' AND c.due_at < now() LIMIT most) counted),
           (SELECT min(c.opened_at) FROM cases c
            WHERE c.id = (SELECT min(o.id) FROM cases o WHERE o.status = 'open')),
           (SELECT count(*)::integer FROM (
               SELECT FROM cases c WHERE c.id > snowflake_at(now() - interval '24 hours') LIMIT most) counted),
           (SELECT count(*)::integer FROM judged),
           (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY h.seconds) FROM handled h)
    WHERE viewer_is_moderator()
$$;
GRANT EXECUTE ON FUNCTION queue_numbers TO daira_app;
