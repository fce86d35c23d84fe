-- One expression: PL/pgSQL starts an executor for each of its conditions, which costs twice as much.
CREATE OR REPLACE FUNCTION post_visible(author bigint, visibility text, circle bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN viewer_id() IS NOT NULL AND (author = viewer_id() OR visibility <> 'private'
        AND NOT EXISTS (SELECT FROM blocks WHERE blocker_id = viewer_id() AND blocked_id = author)
        AND NOT EXISTS (SELECT FROM blocks WHERE blocker_id = author AND blocked_id = viewer_id())
        AND CASE WHEN visibility = 'circle' THEN EXISTS (
                SELECT FROM circle_members WHERE circle_id = circle AND user_id = viewer_id() AND owner_id = author)
            ELSE
                EXISTS (SELECT FROM follows
                        WHERE follower_id = viewer_id() AND followee_id = author AND status = 'active')
                OR visibility = 'public' AND EXISTS (SELECT FROM users WHERE id = author AND NOT is_private)
            END);

-- What ranking reads: the newest `amount` posts of the inbox and of the large authors that the viewer follows, without
-- those that must not stand in the viewer's feed. Relations are read once per author, and the rule of the policy runs
-- only for posts that a follow does not open by itself.
CREATE FUNCTION feed_candidates(inbox bigint[], amount integer)
    RETURNS TABLE (post_id bigint, author_id bigint, follows boolean, followed_by boolean, is_named boolean,
                   reactions bigint, comments integer, shares integer, saves integer, views integer)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH wanted AS MATERIALIZED (
        SELECT * FROM posts WHERE status = 'published' AND author_id <> viewer_id() AND id = ANY (ARRAY (
            SELECT c.id FROM (SELECT unnest(inbox) AS id UNION SELECT large_author_post_ids(9223372036854775807, amount)) c
            ORDER BY c.id DESC LIMIT amount)))
    SELECT w.id, w.author_id, r.follows, r.followed_by, viewer_id() = ANY (w.mention_ids),
           CASE WHEN w.reactions = '{}' THEN 0 ELSE (
               SELECT sum(amount.value::bigint)::bigint FROM jsonb_each_text(w.reactions) amount) END,
           w.comment_count, w.share_count, w.save_count, w.view_count
    FROM relations((SELECT array_agg(DISTINCT author_id) FROM wanted)) r
    JOIN users u ON u.id = r.other_id AND u.status = 'active'
    JOIN wanted w ON w.author_id = r.other_id
    WHERE NOT r.blocks AND NOT r.blocked_by AND NOT r.mutes_posts
      AND (r.follows OR viewer_id() = ANY (w.mention_ids))
      AND (r.follows AND w.visibility IN ('public', 'followers')
           OR post_visible(w.author_id, w.visibility, w.circle_id))
    ORDER BY w.id DESC
$$;

REVOKE EXECUTE ON FUNCTION feed_candidates FROM PUBLIC;
GRANT EXECUTE ON FUNCTION feed_candidates TO daira_app;
