-- Reactions to posts and comments.

-- The post that the target is or belongs to; null if the viewer may not see the target.
CREATE OR REPLACE FUNCTION target_post(target_type text, target_id bigint) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN CASE target_type
        WHEN 'post' THEN CASE WHEN public.sees_post(target_id) THEN target_id END
        WHEN 'comment' THEN (
            SELECT c.post_id FROM public.comments c
            WHERE c.id = target_id AND c.status = 'published'
              AND (c.author_id = public.viewer_id() OR public.is_shown(c.standing)
                   AND (c.labels = '{}' OR NOT public.viewer_too_young(c.labels)))
              AND public.sees_user(c.author_id) AND public.sees_post(c.post_id)) END;
GRANT EXECUTE ON FUNCTION target_post TO daira_app;

-- Reactions of these kinds, newest first, without those of hidden users; empty if the viewer may not see the target. It
-- reads each kind in the order of the index.
CREATE OR REPLACE FUNCTION reactions_to(target_type text, target_id bigint, kinds text[], before bigint, amount integer)
    RETURNS TABLE (id bigint, kind text, user_id bigint, person users)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT r.* FROM unnest(kinds) AS asked (kind) CROSS JOIN LATERAL (
        SELECT x.id, x.kind, x.user_id, u FROM reactions x JOIN users u ON u.id = x.user_id AND u.status = 'active'
        WHERE x.target_type = reactions_to.target_type AND x.target_id = reactions_to.target_id
          AND x.kind = asked.kind AND x.id < before AND x.user_id NOT IN (SELECT h.user_id FROM hidden_users(viewer_id()) h)
        ORDER BY x.id DESC LIMIT amount) r
    WHERE target_post(target_type, target_id) IS NOT NULL
    ORDER BY r.id DESC LIMIT amount
$$;
GRANT EXECUTE ON FUNCTION reactions_to TO daira_app;

-- Whether the viewer may add this event to the outbox; see `may_tell_of_graph`. Its key is the user: events of one user
-- stay in order, and those of a popular post are spread.
CREATE OR REPLACE FUNCTION may_tell_of_reaction(topic text, key text, event jsonb) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN key = public.viewer_id()::text AND event ->> 'user_id' = key
        AND topic IN ('reaction.created', 'reaction.removed')
        AND EXISTS (
            SELECT FROM public.reactions r
            WHERE r.target_type = event ->> 'target_type' AND r.target_id = (event ->> 'target_id')::bigint
              AND r.user_id = public.viewer_id()
              AND public.target_post(r.target_type, r.target_id) = (event ->> 'post_id')::bigint
              AND r.kind = event ->> 'kind') = (topic = 'reaction.created');
GRANT EXECUTE ON FUNCTION may_tell_of_reaction TO daira_app;
