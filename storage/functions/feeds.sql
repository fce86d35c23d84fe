-- Feeds: the posts that belong into them.

-- The newest posts of large authors whom the viewer follows, which fan-out leaves to the read.
CREATE OR REPLACE FUNCTION large_author_post_ids(before bigint, amount integer) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT p.id
    FROM users u
    JOIN follows f ON f.follower_id = viewer_id() AND f.followee_id = u.id AND f.status = 'active'
    CROSS JOIN LATERAL (
        SELECT id FROM posts
        WHERE author_id = u.id AND status = 'published' AND visibility IN ('public', 'followers') AND id < before
        ORDER BY id DESC LIMIT amount) p
    WHERE u.is_large
    ORDER BY p.id DESC LIMIT amount
$$;
GRANT EXECUTE ON FUNCTION large_author_post_ids TO daira_app;

-- The posts that a feed is rebuilt from: the newest of other followed users, and those that mention the viewer. Only
-- posts for a circle have a circle.
CREATE OR REPLACE FUNCTION inbox_post_ids(amount integer) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT id FROM (
        SELECT p.id
        FROM follows f
        CROSS JOIN LATERAL (SELECT is_large FROM users WHERE id = f.followee_id OFFSET 0) u -- by an index
        CROSS JOIN LATERAL (
            SELECT id FROM posts
            WHERE author_id = f.followee_id AND status = 'published'
              AND (visibility IN ('public', 'followers') AND NOT u.is_large
                   OR EXISTS (
                       SELECT FROM circle_members m WHERE m.circle_id = posts.circle_id AND m.user_id = viewer_id()
                       AND m.owner_id = posts.author_id))
            ORDER BY id DESC LIMIT 200) p
        WHERE f.follower_id = viewer_id() AND f.status = 'active'
        UNION
        (SELECT post_id FROM post_mentions WHERE user_id = viewer_id() ORDER BY post_id DESC LIMIT 200)
    ) found
    ORDER BY id DESC LIMIT amount
$$;
GRANT EXECUTE ON FUNCTION inbox_post_ids TO daira_app;

-- For processes of schema 0023 and before, which may still run while this is laid: `feed_ranking` has replaced it.
-- The signals that ranking reads, of the newest `amount` posts of the stored feed and of large authors whom the viewer
-- follows, without posts that must not be in the viewer's feed. Relations are read once per author, and the rule of
-- the policy runs only for posts that a follow does not open by itself.
CREATE OR REPLACE FUNCTION feed_candidates(inbox bigint[], amount integer)
    RETURNS TABLE (post_id bigint, author_id bigint, follows boolean, followed_by boolean, is_named boolean,
                   reactions bigint, comments integer, shares integer, saves integer, views integer,
                   original_id bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH wanted AS MATERIALIZED (
        SELECT * FROM posts WHERE status = 'published' AND author_id <> viewer_id() AND id = ANY (ARRAY (
            SELECT c.id FROM (SELECT unnest(inbox) AS id UNION SELECT large_author_post_ids(9223372036854775807, amount)) c
            ORDER BY c.id DESC LIMIT amount)))
    SELECT w.id, w.author_id, r.follows, r.followed_by, viewer_id() = ANY (w.mention_ids),
           CASE WHEN w.reactions = '{}' THEN 0 ELSE (
               SELECT sum(amount.value::bigint)::bigint FROM jsonb_each_text(w.reactions) amount) END,
           w.comment_count, w.share_count, w.save_count, w.view_count, coalesce(w.shared_post_id, w.id)
    FROM relations((SELECT array_agg(DISTINCT author_id) FROM wanted)) r
    JOIN users u ON u.id = r.other_id AND u.status = 'active'
    JOIN wanted w ON w.author_id = r.other_id
    WHERE NOT r.blocks AND NOT r.blocked_by AND NOT r.mutes_posts
      AND (r.follows OR viewer_id() = ANY (w.mention_ids))
      AND (r.follows AND w.visibility IN ('public', 'followers')
           OR post_visible(w.author_id, w.visibility, w.circle_id))
    ORDER BY w.id DESC
$$;
GRANT EXECUTE ON FUNCTION feed_candidates TO daira_app;

-- The originals of shares that are in the viewer's feed at `before` or above it: of the stored feed, and of the newest
-- `amount` posts of large authors whom the viewer follows.
CREATE OR REPLACE FUNCTION originals_shared_above(inbox bigint[], before bigint, amount integer) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT p.shared_post_id
    FROM posts p JOIN users u ON u.id = p.author_id AND u.status = 'active'
    WHERE p.shared_post_id IS NOT NULL AND p.status = 'published' AND p.id = ANY (ARRAY (
        SELECT c.id FROM (SELECT unnest(inbox) AS id UNION SELECT large_author_post_ids(9223372036854775807, amount)) c
        WHERE c.id >= before))
      AND post_visible(p.author_id, p.visibility, p.circle_id)
$$;
GRANT EXECUTE ON FUNCTION originals_shared_above TO daira_app;
