-- Presence: which users may watch a user.

-- The numbers of those pairs where the watcher may see the user's presence. For the viewer alone, or for all without
-- one.
CREATE OR REPLACE FUNCTION may_watch(watched bigint[], watchers bigint[]) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT pair.number
    FROM unnest(watched, watchers) WITH ORDINALITY AS pair (person, watcher, number)
    JOIN users u ON u.id = pair.person AND u.status = 'active'
    WHERE (viewer_id() IS NULL OR pair.watcher = viewer_id()) AND (pair.watcher = pair.person OR (
        u.presence_audience <> 'nobody'
        AND NOT EXISTS (SELECT FROM blocks_between(pair.person, pair.watcher))
        AND (NOT u.is_private AND u.presence_audience = 'everyone'
             OR EXISTS (SELECT FROM follows f WHERE f.follower_id = pair.watcher AND f.followee_id = pair.person
                        AND f.status = 'active'))))
$$;
GRANT EXECUTE ON FUNCTION may_watch TO daira_app;
