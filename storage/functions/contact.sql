-- Contact: who may send a user messages, comment on the user's posts, and mention the user.

-- Whether the target's settings admit the actor. `what` is 'messages', 'comments' or 'mentions'. Nobody is admitted
-- across a block. Without an account (load and demo users), everyone is. Messages of strangers never reach minors.
CREATE OR REPLACE FUNCTION admits(target bigint, actor bigint, what text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT target = actor
        OR EXISTS (SELECT FROM users u WHERE u.id = target AND u.status = 'active')
        AND NOT EXISTS (SELECT FROM blocks_between(target, actor))
        AND CASE coalesce((
                SELECT CASE what
                           WHEN 'messages' THEN CASE
                               WHEN messages_from <> 'nobody' AND birth_date > (now() - interval '18 years')::date
                               THEN 'followed' ELSE messages_from END
                           WHEN 'comments' THEN comments_from
                           WHEN 'mentions' THEN mentions_from
                           ELSE 'nobody' END
                FROM accounts WHERE user_id = target), 'everyone')
            WHEN 'everyone' THEN true
            WHEN 'followers' THEN EXISTS (
                SELECT FROM follows f WHERE f.follower_id = actor AND f.followee_id = target AND f.status = 'active')
            WHEN 'followed' THEN EXISTS (
                SELECT FROM follows f WHERE f.follower_id = target AND f.followee_id = actor AND f.status = 'active')
            ELSE false END
$$;

-- Whether the viewer may mention the user.
CREATE OR REPLACE FUNCTION admits_mention(target bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN public.admits(target, public.viewer_id(), 'mentions');
GRANT EXECUTE ON FUNCTION admits_mention TO daira_app;
