-- Comments: who may write one, their place in the tree, and pages of the tree.

-- Whether the viewer may comment on the post, in reply to that comment or, without a parent, to the post itself.
CREATE OR REPLACE FUNCTION may_comment(post bigint, parent bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN EXISTS (
        SELECT FROM public.posts p
        WHERE p.id = post AND public.sees_post(post) AND (p.author_id = public.viewer_id()
            OR public.admits(p.author_id, public.viewer_id(), 'comments') AND CASE p.reply_policy
                   WHEN 'everyone' THEN true
                   WHEN 'followers' THEN EXISTS (
                       SELECT FROM public.follows f WHERE f.follower_id = public.viewer_id()
                           AND f.followee_id = p.author_id AND f.status = 'active')
                   WHEN 'mentioned' THEN public.viewer_id() = ANY (p.mention_ids)
                   ELSE false END))
        AND (parent IS NULL OR public.target_post('comment', parent) IS NOT NULL);
GRANT EXECUTE ON FUNCTION may_comment TO daira_app;

CREATE OR REPLACE FUNCTION comments_placed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.parent_id IS NULL THEN
        NEW.path := ARRAY [NEW.id];
    ELSE
        SELECT path || NEW.id INTO NEW.path FROM comments
        WHERE id = NEW.parent_id AND post_id = NEW.post_id AND status = 'published';
        IF NOT FOUND THEN
            RETURN NULL; -- inserts no row
        END IF;
    END IF;
    NEW.depth := cardinality(NEW.path) - 1;
    RETURN NEW;
END $$;

-- All comments, and whether each is visible to the viewer by itself. Without SECURITY DEFINER, so that it becomes part
-- of its caller's plan and uses the caller's index.
CREATE OR REPLACE FUNCTION judged_comments() RETURNS TABLE (comment comments, author users, is_visible boolean)
    LANGUAGE sql STABLE AS $$
    SELECT c, u, c.status = 'published' AND u.status = 'active' AND (c.author_id = viewer_id()
                     OR is_shown(c.standing) AND NOT viewer_hides(c.labels))
                 AND c.author_id NOT IN (SELECT h.user_id FROM hidden_users(viewer_id()) h)
    FROM comments c JOIN users u ON u.id = c.author_id
$$;

-- Whether one of the first 100 comments below this one, in the order of the tree, is visible to the viewer. If so, the
-- comment keeps its place although it is not visible itself.
CREATE OR REPLACE FUNCTION has_visible_replies(post bigint, above bigint[]) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM (
            SELECT j.is_visible FROM judged_comments() j
            WHERE (j.comment).post_id = post
              AND (j.comment).path > above AND (j.comment).path < (above || 9223372036854775807)
            ORDER BY (j.comment).path LIMIT 100) below
        WHERE below.is_visible)
$$;

-- How many direct replies to the comment the viewer would be shown; from 5 on at least the stored number. Without
-- SECURITY DEFINER, as above.
CREATE OR REPLACE FUNCTION replies_shown(comment bigint, stored integer) RETURNS TABLE (replies bigint)
    LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN count(*) < 5 THEN count(*) FILTER (WHERE is_shown)
                ELSE greatest(stored, count(*) FILTER (WHERE is_shown)) END
    FROM (SELECT is_visible OR has_visible_replies((j.comment).post_id, (j.comment).path) AS is_shown
          FROM judged_comments() j WHERE (j.comment).parent_id = replies_shown.comment
          ORDER BY (j.comment).id LIMIT 5) each
$$;

-- The same of one comment that the viewer sees, for callers under row policies. Without a viewer, of any.
CREATE OR REPLACE FUNCTION shown_replies(comment bigint) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT r.replies FROM comments c CROSS JOIN LATERAL replies_shown(c.id, c.reply_count) r
    WHERE c.id = comment AND (viewer_id() IS NULL OR target_post('comment', comment) IS NOT NULL)
$$;
GRANT EXECUTE ON FUNCTION shown_replies TO daira_app, daira_worker;

-- A page of comments on the post, newest first, or of replies to `parent`, oldest first, each followed by its first
-- replies of any depth, in the order of the tree. Comments that are deleted or hidden from the viewer are without
-- author and text if they have visible replies, and left out if not; the page is searched in five times its length.
-- `reply_count` is that of `replies_shown`.
-- `next_place` is on each row: where the next page begins, or null. A page without comments is one row without an id.
-- There is no row if the viewer may not see the post or the parent.
-- `(SELECT post)` keeps the plan to the index of the post: for one with many comments, the planner would read all
-- comments from the newest on.
CREATE OR REPLACE FUNCTION comment_page(post bigint, parent bigint, place bigint, amount integer, replies_each integer)
    RETURNS TABLE (next_place bigint, id bigint, parent_id bigint, depth integer, author_id bigint, author users,
                   text text, mention_ids bigint[], reply_count integer, reactions jsonb, counts_version bigint,
                   edited_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp ROWS 80 AS $$
    WITH looked_at AS (
        (SELECT * FROM judged_comments()
         WHERE parent IS NULL AND (comment).post_id = (SELECT post) AND (comment).parent_id IS NULL AND (comment).id < place
         ORDER BY (comment).id DESC LIMIT 5 * amount)
        UNION ALL
        (SELECT * FROM judged_comments()
         WHERE (comment).post_id = post AND (comment).parent_id = parent AND (comment).id > place
         ORDER BY (comment).id LIMIT 5 * amount)),
    page AS MATERIALIZED (
        SELECT * FROM looked_at WHERE is_visible OR has_visible_replies((comment).post_id, (comment).path) LIMIT amount),
    shown AS (
        SELECT * FROM page
        UNION ALL
        SELECT below.* FROM page CROSS JOIN LATERAL (
            SELECT * FROM (
                SELECT * FROM judged_comments() j
                WHERE (j.comment).post_id = post AND (j.comment).path > (page.comment).path
                  AND (j.comment).path < ((page.comment).path || 9223372036854775807)
                ORDER BY (j.comment).path LIMIT 10) first
            WHERE is_visible OR has_visible_replies((comment).post_id, (comment).path) LIMIT replies_each) below)
    SELECT ending.place, (comment).id, (comment).parent_id, (comment).depth, CASE WHEN is_visible THEN (author).id END,
           CASE WHEN is_visible THEN author END, CASE WHEN is_visible THEN (comment).text END,
           CASE WHEN is_visible THEN (comment).mention_ids END,
           direct.replies::integer,
           CASE WHEN is_visible THEN (comment).reactions END, (comment).counts_version,
           CASE WHEN is_visible THEN (comment).edited_at END
    FROM (SELECT CASE WHEN (SELECT count(*) FROM page) = amount
                          THEN (SELECT (comment).id FROM page OFFSET amount - 1)
                      WHEN (SELECT count(*) FROM looked_at) = 5 * amount
                          THEN (SELECT (comment).id FROM looked_at OFFSET 5 * amount - 1) END AS place
          WHERE sees_post(post) AND (parent IS NULL OR EXISTS (
              SELECT FROM judged_comments() WHERE (comment).id = parent AND (comment).post_id = post
                  AND (is_visible OR has_visible_replies(post, (comment).path))))) ending
    LEFT JOIN shown ON true
    LEFT JOIN LATERAL replies_shown((shown.comment).id, (shown.comment).reply_count) direct ON true
    ORDER BY CASE WHEN parent IS NULL THEN (comment).path[1] END DESC, (comment).path
$$;
GRANT EXECUTE ON FUNCTION comment_page TO daira_app;

-- Those of these comments with labels or a limit, and the standing as the viewer is told it: the author, unless it is
-- shadowed. For ids that the viewer sees.
CREATE OR REPLACE FUNCTION comment_limits(ids bigint[])
    RETURNS TABLE (comment_id bigint, labels text[], told_standing text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp ROWS 1 AS $$
    SELECT c.id, c.labels,
           CASE WHEN c.author_id = viewer_id() AND c.standing <> 'shadowed' THEN c.standing ELSE 'visible' END
    FROM comments c WHERE c.id = ANY (ids) AND (c.standing <> 'visible' OR c.labels <> '{}')
      AND (is_shown(c.standing) OR c.author_id = viewer_id())
$$;
GRANT EXECUTE ON FUNCTION comment_limits TO daira_app, daira_worker;

-- Deletes the comment if the viewer wrote it or the post, and returns it; no row for other viewers. `is_new` is false
-- if it had been deleted before.
CREATE OR REPLACE FUNCTION delete_comment(comment bigint)
    RETURNS TABLE (post_id bigint, author_id bigint, is_new boolean)
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH found AS (
        SELECT c.id, c.post_id, c.author_id FROM comments c JOIN posts p ON p.id = c.post_id
        WHERE c.id = comment
          AND (c.author_id = viewer_id() OR p.author_id = viewer_id() AND p.status = 'published')),
    gone AS (
        UPDATE comments c SET status = 'deleted', deleted_at = now() FROM found f
        WHERE c.id = f.id AND c.status = 'published' RETURNING c.id)
    SELECT f.post_id, f.author_id, EXISTS (SELECT FROM gone) FROM found f
$$;
GRANT EXECUTE ON FUNCTION delete_comment TO daira_app;

-- Whether the viewer may add this event to the outbox; see `may_tell_of_graph`.
CREATE OR REPLACE FUNCTION may_tell_of_comment(topic text, key text, event jsonb) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN key = event ->> 'post_id' AND EXISTS (
        SELECT FROM public.comments c
        WHERE c.id = (event ->> 'comment_id')::bigint AND c.post_id::text = key
          AND c.author_id::text = event ->> 'author_id'
          AND CASE WHEN topic IN ('comment.created', 'comment.edited') THEN
                       c.status = 'published' AND c.author_id = public.viewer_id()
                   WHEN topic = 'comment.deleted' THEN
                       c.status = 'deleted' AND public.viewer_id() IN (
                           c.author_id, (SELECT p.author_id FROM public.posts p WHERE p.id = c.post_id))
                   ELSE false END);
GRANT EXECUTE ON FUNCTION may_tell_of_comment TO daira_app;
