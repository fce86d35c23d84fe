-- Feeds: the posts that belong into them.

-- Published posts of an author for all followers, between two ids, newest first.
CREATE OR REPLACE FUNCTION newest_for_followers(author bigint, since bigint, before bigint, amount bigint) RETURNS SETOF bigint
    LANGUAGE sql STABLE AS $$
    SELECT id FROM posts
    WHERE author_id = author AND status = 'published' AND visibility IN ('public', 'followers')
      AND id >= since AND id < before
    ORDER BY id DESC LIMIT amount
$$;

-- The newest posts of large authors whom the viewer follows, which fan-out leaves to the read. The newest few of each
-- author show how old the oldest may be; so not many more than `amount` are read.
CREATE OR REPLACE FUNCTION large_author_post_ids(before bigint, amount integer) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH authors AS MATERIALIZED (
        SELECT u.id, 10 + amount / count(*) OVER () AS share
        FROM follows f
        CROSS JOIN LATERAL (SELECT id, is_large FROM users WHERE id = f.followee_id OFFSET 0) u -- by an index
        WHERE f.follower_id = viewer_id() AND f.status = 'active' AND u.is_large
    ), oldest AS MATERIALIZED (
        SELECT coalesce((
            SELECT p.id FROM authors a CROSS JOIN LATERAL newest_for_followers(a.id, 0, before, a.share) p (id)
            ORDER BY p.id DESC OFFSET amount - 1 LIMIT 1), 0) AS id
    )
    SELECT p.id
    FROM oldest o CROSS JOIN authors a CROSS JOIN LATERAL newest_for_followers(a.id, o.id, before, amount) p (id)
    ORDER BY p.id DESC LIMIT amount
$$;
GRANT EXECUTE ON FUNCTION large_author_post_ids TO daira_app;

-- The posts that a feed is rebuilt from: the newest of other followed users, fewer of each the more there are, and those
-- that mention the viewer. Only posts for a circle have a circle.
CREATE OR REPLACE FUNCTION inbox_post_ids(amount integer) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH authors AS MATERIALIZED (
        SELECT u.id, u.is_large, least(200, 10 + 4 * amount / count(*) OVER ()) AS share
        FROM follows f
        CROSS JOIN LATERAL (SELECT id, is_large FROM users WHERE id = f.followee_id OFFSET 0) u -- by an index
        WHERE f.follower_id = viewer_id() AND f.status = 'active'
    )
    SELECT id FROM (
        SELECT p.id FROM authors a CROSS JOIN LATERAL (
            SELECT id FROM posts
            WHERE author_id = a.id AND status = 'published'
              AND (visibility IN ('public', 'followers') AND NOT a.is_large
                   OR EXISTS (
                       SELECT FROM circle_members m WHERE m.circle_id = posts.circle_id AND m.user_id = viewer_id()
                       AND m.owner_id = posts.author_id))
            ORDER BY id DESC LIMIT a.share) p
        UNION
        (SELECT post_id FROM post_mentions WHERE user_id = viewer_id() ORDER BY post_id DESC LIMIT 200)
    ) found
    ORDER BY id DESC LIMIT amount
$$;
GRANT EXECUTE ON FUNCTION inbox_post_ids TO daira_app;

-- The originals of shares by followed users that are in the viewer's feed at `before` or above it: of the stored feed, and
-- of the newest `amount` posts of large authors whom the viewer follows.
CREATE OR REPLACE FUNCTION originals_shared_above(inbox bigint[], before bigint, amount integer) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT p.shared_post_id
    FROM posts p JOIN users u ON u.id = p.author_id AND u.status = 'active'
    WHERE p.shared_post_id IS NOT NULL AND p.status = 'published' AND p.id = ANY (ARRAY (
        SELECT c.id FROM (SELECT unnest(inbox) AS id UNION SELECT large_author_post_ids(9223372036854775807, amount)) c
        WHERE c.id >= before))
      AND EXISTS (SELECT FROM follows f
                  WHERE f.follower_id = viewer_id() AND f.followee_id = p.author_id AND f.status = 'active')
      AND post_visible(p.author_id, p.visibility, p.circle_id)
$$;
GRANT EXECUTE ON FUNCTION originals_shared_above TO daira_app;
