-- People whom the viewer may know.

-- Users whom the viewer's followees follow, and users who follow the viewer. They are found through lists that
-- the viewer may read (`graph.following`, `graph.followers`); circles are a secret of their owners, and no signal.
-- `common`: how many of the sample of the viewer's follows follow the user. A step in an index reads each list, and
-- the bounds keep the work constant: 40 of the viewer's follows with 45 of theirs each, and 200 of the followers.
-- OFFSET 0: users are read by an index, whatever their number, in the order of `found`, until there are enough.
--
-- Not suggested: whom the viewer follows, has asked to follow, mutes or has dismissed, and blocks between the two;
-- accounts of less than 72 hours; who has switched it off; minors. A private account only to those whom it follows. To
-- minors only verified accounts: whoever a minor follows may send them messages.
CREATE OR REPLACE FUNCTION suggested_people(amount integer)
    RETURNS TABLE (user_id bigint, common integer, follows_viewer boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp ROWS 20 AS $$
    WITH mine AS MATERIALIZED (
        SELECT followee_id AS id FROM follows WHERE follower_id = viewer_id() AND status = 'active'
        ORDER BY follows.id DESC LIMIT 40
    ), edges AS (
        SELECT s.followee_id AS person, 1 AS through, false AS theirs
        FROM mine m CROSS JOIN LATERAL (
            SELECT FROM users u WHERE u.id = m.id AND u.status = 'active' OFFSET 0) active CROSS JOIN LATERAL (
            SELECT followee_id FROM follows WHERE follower_id = m.id AND status = 'active' ORDER BY id DESC LIMIT 45) s
        UNION ALL
        (SELECT follower_id, 0, true FROM follows WHERE followee_id = viewer_id() AND status = 'active'
         ORDER BY id DESC LIMIT 200)
    ), found AS MATERIALIZED (
        SELECT person, sum(through)::integer AS common, bool_or(theirs) AS theirs,
               sum(through) + 2 * bool_or(theirs)::integer AS weight
        FROM edges GROUP BY person ORDER BY weight DESC, person DESC
    )
    SELECT f.person, f.common, f.theirs
    FROM found f CROSS JOIN (SELECT is_minor(viewer_id()) AS is_minor OFFSET 0) viewer
    CROSS JOIN LATERAL (
        SELECT u.is_private, u.is_verified FROM users u LEFT JOIN accounts a ON a.user_id = u.id
        WHERE u.id = f.person AND u.status = 'active' AND u.created_at <= now() - interval '72 hours'
          AND coalesce(a.suggest_me, true)
          AND (a.birth_date IS NULL OR a.birth_date <= (now() - interval '18 years')::date) OFFSET 0) u
    WHERE f.person <> viewer_id() AND (NOT u.is_private OR f.theirs)
      AND (u.is_verified OR NOT viewer.is_minor)
      AND NOT EXISTS (SELECT FROM follows x WHERE x.follower_id = viewer_id() AND x.followee_id = f.person)
      AND NOT EXISTS (SELECT FROM blocks x WHERE x.blocker_id = viewer_id() AND x.blocked_id = f.person)
      AND NOT EXISTS (SELECT FROM blocks x WHERE x.blocker_id = f.person AND x.blocked_id = viewer_id())
      AND NOT EXISTS (SELECT FROM mutes x WHERE x.user_id = viewer_id() AND x.muted_id = f.person
                      AND (x.until IS NULL OR x.until > now()))
      AND NOT EXISTS (SELECT FROM dismissed_people x WHERE x.user_id = viewer_id() AND x.dismissed_id = f.person)
    ORDER BY f.weight DESC, f.person DESC LIMIT amount
$$;
GRANT EXECUTE ON FUNCTION suggested_people TO daira_app;

-- Those of the users who may be suggested to the viewer while the viewer types: the same conditions of accounts as above,
-- except that private ones can be found by name. The viewer, and whom the viewer follows, are always suggested.
CREATE OR REPLACE FUNCTION suggestible_ids(ids bigint[]) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT u.id
    FROM users u LEFT JOIN accounts a ON a.user_id = u.id CROSS JOIN (SELECT is_minor(viewer_id()) AS is_minor OFFSET 0) viewer
    WHERE u.id = ANY (ids) AND (
        u.id = viewer_id()
        OR u.created_at <= now() - interval '72 hours' AND coalesce(a.suggest_me, true)
           AND (a.birth_date IS NULL OR a.birth_date <= (now() - interval '18 years')::date)
           AND (u.is_verified OR NOT viewer.is_minor)
        OR EXISTS (SELECT FROM follows f
                   WHERE f.follower_id = viewer_id() AND f.followee_id = u.id AND f.status = 'active'))
$$;
GRANT EXECUTE ON FUNCTION suggestible_ids TO daira_app;
