-- Posts: who may see one, and their counts.

-- Whether the user may see the post. As one SQL expression, it costs half as much as in PL/pgSQL, which starts an
-- executor for each condition; `blocks_between` would cost a fifth more. A circle must belong to the author: a circle of
-- another user that reuses a deleted id opens nothing.
CREATE OR REPLACE FUNCTION post_visible_to(person bigint, author bigint, visibility text, circle bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN person IS NOT NULL AND (author = person OR visibility <> 'private'
        AND NOT EXISTS (SELECT FROM blocks WHERE blocker_id = person AND blocked_id = author)
        AND NOT EXISTS (SELECT FROM blocks WHERE blocker_id = author AND blocked_id = person)
        AND CASE WHEN visibility = 'circle' THEN EXISTS (
                SELECT FROM circle_members WHERE circle_id = circle AND user_id = person AND owner_id = author)
            ELSE
                EXISTS (SELECT FROM follows
                        WHERE follower_id = person AND followee_id = author AND status = 'active')
                OR visibility = 'public' AND EXISTS (SELECT FROM users WHERE id = author AND NOT is_private)
            END);

-- Whether the viewer may see the post.
CREATE OR REPLACE FUNCTION post_visible(author bigint, visibility text, circle bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN public.post_visible_to(public.viewer_id(), author, visibility, circle);
GRANT EXECUTE ON FUNCTION post_visible TO daira_app;

-- Whether the viewer may see the post with that id, and with it its comments and reactions.
CREATE OR REPLACE FUNCTION sees_post(post bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN EXISTS (
        SELECT FROM public.posts p JOIN public.users u ON u.id = p.author_id
        WHERE p.id = post AND p.status = 'published' AND u.status = 'active'
          AND public.post_visible(p.author_id, p.visibility, p.circle_id)
          AND (p.labels = '{}' OR p.author_id = public.viewer_id()
               OR NOT public.viewer_too_young(p.labels)));
GRANT EXECUTE ON FUNCTION sees_post TO daira_app;

-- Those of the posts that lists may show to the viewer: published, by active users, visible, and not by users whom the
-- viewer blocks or mutes, or who block the viewer, and without a label that the viewer hides. A share without a text must
-- show something. The relations are read once per author, however many posts are asked for. Without SECURITY DEFINER, so
-- that it becomes part of its caller's plan: callers must have it themselves.
CREATE OR REPLACE FUNCTION visible_posts(ids bigint[])
    RETURNS TABLE (id bigint, author_id bigint, follows boolean, standing text, beginning text, engagement integer)
    LANGUAGE sql STABLE AS $$
    WITH wanted AS MATERIALIZED (
        SELECT p.id, p.author_id, p.visibility, p.circle_id, p.shared_post_id, p.text = '' AS is_bare, p.labels, p.standing,
               left(p.text, 200) AS beginning, p.comment_count + p.share_count + p.save_count AS engagement
        FROM posts p WHERE p.id = ANY (ids) AND p.status = 'published'
    ), hidden AS MATERIALIZED (
        SELECT h.user_id FROM hidden_posters(viewer_id()) h
    ), authors AS MATERIALIZED (
        SELECT u.id, u.is_private, f.status IS NOT NULL AS follows
        FROM users u
        LEFT JOIN follows f ON f.follower_id = viewer_id() AND f.followee_id = u.id AND f.status = 'active'
        WHERE u.id = ANY (ARRAY (SELECT author_id FROM wanted)) AND u.status = 'active'
          AND u.id NOT IN (SELECT user_id FROM hidden)
    )
    SELECT w.id, w.author_id, a.follows, w.standing, w.beginning, w.engagement
    FROM wanted w JOIN authors a ON a.id = w.author_id
    WHERE viewer_id() IS NOT NULL
      AND (a.id = viewer_id() OR CASE w.visibility
               WHEN 'public' THEN a.follows OR NOT a.is_private
               WHEN 'followers' THEN a.follows
               WHEN 'circle' THEN post_visible(w.author_id, w.visibility, w.circle_id) ELSE false END)
      AND (a.id = viewer_id() OR NOT viewer_hides(w.labels))
      AND (w.shared_post_id IS NULL OR EXISTS (
               SELECT FROM posts o WHERE o.id = w.shared_post_id AND o.author_id NOT IN (SELECT user_id FROM hidden)
                 AND (NOT w.is_bare OR sees_post(o.id))))
$$;

-- The ids of those posts.
CREATE OR REPLACE FUNCTION visible_post_ids(ids bigint[]) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT v.id FROM visible_posts(ids) v
$$;
GRANT EXECUTE ON FUNCTION visible_post_ids TO daira_app;

-- Whether the viewer may share the post: what everybody may see, and no share.
CREATE OR REPLACE FUNCTION may_share(post bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN public.sees_post(post) AND EXISTS (
        SELECT FROM public.posts p JOIN public.users u ON u.id = p.author_id
        WHERE p.id = post AND coalesce(p.chosen_visibility, p.visibility) = 'public' AND p.shared_post_id IS NULL
          AND NOT u.is_private AND (p.standing <> 'limited' OR p.author_id = public.viewer_id()));
GRANT EXECUTE ON FUNCTION may_share TO daira_app;

-- Whether a view of the viewer counts. Authors do not count as viewers of their own posts.
CREATE OR REPLACE FUNCTION may_view(post bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN public.sees_post(post) AND EXISTS (
        SELECT FROM public.posts p WHERE p.id = post AND p.author_id <> public.viewer_id());
GRANT EXECUTE ON FUNCTION may_view TO daira_app;

CREATE OR REPLACE FUNCTION posts_counted() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE users SET post_count = post_count + 1 WHERE id = NEW.author_id;
    ELSIF OLD.status = 'published' AND NEW.status = 'deleted' THEN
        UPDATE users SET post_count = post_count - 1 WHERE id = NEW.author_id;
    END IF;
    RETURN NULL;
END $$;

-- Whether the viewer may add this event to the outbox; see `may_tell_of_graph`.
CREATE OR REPLACE FUNCTION may_tell_of_post(topic text, key text, event jsonb) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN key = public.viewer_id()::text AND CASE
        WHEN topic IN ('post.created', 'post.edited', 'post.deleted') THEN event ->> 'author_id' = key AND EXISTS (
            SELECT FROM public.posts p WHERE p.id = (event ->> 'post_id')::bigint AND p.author_id = public.viewer_id()
                AND (p.status = 'deleted') = (topic = 'post.deleted'))
        WHEN topic = 'post.engagement' THEN event ->> 'user_id' = key AND CASE event ->> 'action'
            WHEN 'view' THEN public.may_view((event ->> 'post_id')::bigint)
            WHEN 'share' THEN EXISTS (
                SELECT FROM public.posts p WHERE p.shared_post_id = (event ->> 'post_id')::bigint
                    AND p.author_id = public.viewer_id() AND p.status = 'published')
            WHEN 'save' THEN EXISTS (
                SELECT FROM public.saves s
                WHERE s.user_id = public.viewer_id() AND s.post_id = (event ->> 'post_id')::bigint)
            WHEN 'unsave' THEN NOT EXISTS (
                SELECT FROM public.saves s
                WHERE s.user_id = public.viewer_id() AND s.post_id = (event ->> 'post_id')::bigint)
            ELSE false END
        ELSE false END;
GRANT EXECUTE ON FUNCTION may_tell_of_post TO daira_app;
