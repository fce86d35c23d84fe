-- The graph: follows, blocks, mutes and circles.

-- Whether the user blocks the viewer.
CREATE OR REPLACE FUNCTION blocks_viewer(other bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN EXISTS (SELECT FROM public.blocks WHERE blocker_id = other AND blocked_id = public.viewer_id());
GRANT EXECUTE ON FUNCTION blocks_viewer TO daira_app;

-- Whether the viewer may see what the user writes and does: the account is active, and neither blocks the other. Never
-- without a viewer.
CREATE OR REPLACE FUNCTION sees_user(other bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN public.viewer_id() IS NOT NULL
        AND EXISTS (SELECT FROM public.users WHERE id = other AND status = 'active')
        AND NOT EXISTS (SELECT FROM public.blocks_between(public.viewer_id(), other));
GRANT EXECUTE ON FUNCTION sees_user TO daira_app;

-- Users whose comments, reactions and acts in groups are hidden from that user: both sides of a block, and users muted
-- for everything. Without SECURITY DEFINER, so that it becomes part of its caller's plan, which then reads this list
-- once.
CREATE OR REPLACE FUNCTION hidden_users(person bigint) RETURNS TABLE (user_id bigint)
    LANGUAGE sql STABLE AS $$
    SELECT blocked_id FROM blocks WHERE blocker_id = person
    UNION ALL SELECT blocker_id FROM blocks WHERE blocked_id = person
    UNION ALL SELECT muted_id FROM mutes
              WHERE mutes.user_id = person AND kind = 'all' AND (until IS NULL OR until > now())
$$;

-- Users whose posts are in none of that user's lists: both sides of a block, and users muted for posts or everything.
CREATE OR REPLACE FUNCTION hidden_posters(person bigint) RETURNS TABLE (user_id bigint)
    LANGUAGE sql STABLE AS $$
    SELECT blocked_id FROM blocks WHERE blocker_id = person
    UNION ALL SELECT blocker_id FROM blocks WHERE blocked_id = person
    UNION ALL SELECT muted_id FROM mutes
              WHERE mutes.user_id = person AND kind IN ('all', 'posts') AND (until IS NULL OR until > now())
$$;

-- The users of `hidden_users` as an array, for callers that ask for several users at once.
CREATE OR REPLACE FUNCTION hidden_ids(person bigint) RETURNS bigint[]
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT ARRAY(SELECT DISTINCT h.user_id FROM hidden_users(person) h)
$$;

-- The relation between the viewer and each user in `others`, one row per user.
CREATE OR REPLACE FUNCTION relations(others bigint[])
    RETURNS TABLE (other_id bigint, follows boolean, followed_by boolean, requested boolean, blocks boolean,
                   blocked_by boolean, mutes boolean, mutes_posts boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT o.id,
           coalesce(mine.status = 'active', false),
           coalesce(theirs.status = 'active', false),
           coalesce(mine.status = 'pending', false),
           EXISTS (SELECT FROM blocks b WHERE b.blocker_id = viewer_id() AND b.blocked_id = o.id),
           EXISTS (SELECT FROM blocks b WHERE b.blocker_id = o.id AND b.blocked_id = viewer_id()),
           EXISTS (SELECT FROM mutes m WHERE m.user_id = viewer_id() AND m.muted_id = o.id
                                         AND (m.until IS NULL OR m.until > now())),
           EXISTS (SELECT FROM mutes m WHERE m.user_id = viewer_id() AND m.muted_id = o.id
                                         AND m.kind IN ('all', 'posts') AND (m.until IS NULL OR m.until > now()))
    FROM (SELECT DISTINCT unnest(others) AS id) o
    LEFT JOIN follows mine ON mine.follower_id = viewer_id() AND mine.followee_id = o.id
    LEFT JOIN follows theirs ON theirs.follower_id = o.id AND theirs.followee_id = viewer_id()
$$;
GRANT EXECUTE ON FUNCTION relations TO daira_app, daira_worker;

-- Whether the viewer may see the posts and lists of the target at all. Never without a viewer.
CREATE OR REPLACE FUNCTION graph_open(target bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN target = public.viewer_id() OR public.viewer_id() IS NOT NULL AND EXISTS (
        SELECT FROM public.users u
        WHERE u.id = target AND u.status = 'active'
          AND NOT EXISTS (SELECT FROM public.blocks b WHERE b.blocker_id = target AND b.blocked_id = public.viewer_id())
          AND (NOT u.is_private OR EXISTS (
              SELECT FROM public.follows f
              WHERE f.follower_id = public.viewer_id() AND f.followee_id = target AND f.status = 'active')));
GRANT EXECUTE ON FUNCTION graph_open TO daira_app;

-- Lists that the policies over `follows` hide from other users: only ids, so that profiles are then loaded under their
-- own policies. Empty if the viewer may not see the list.
CREATE OR REPLACE FUNCTION follower_ids(target bigint, before bigint, amount integer)
    RETURNS TABLE (follow_id bigint, user_id bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT id, follower_id FROM follows
    WHERE followee_id = target AND status = 'active' AND id < before AND graph_open(target)
    ORDER BY id DESC LIMIT amount
$$;
GRANT EXECUTE ON FUNCTION follower_ids TO daira_app;

CREATE OR REPLACE FUNCTION following_ids(target bigint, before bigint, amount integer)
    RETURNS TABLE (follow_id bigint, user_id bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT id, followee_id FROM follows
    WHERE follower_id = target AND status = 'active' AND id < before AND graph_open(target)
    ORDER BY id DESC LIMIT amount
$$;
GRANT EXECUTE ON FUNCTION following_ids TO daira_app;

-- Whether a follow of the user needs no request. VOLATILE, to see what was committed while a trigger of the same
-- statement waited for a lock.
CREATE OR REPLACE FUNCTION is_open_now(person bigint) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN EXISTS (SELECT FROM users u WHERE u.id = person AND u.status = 'active' AND NOT u.is_private);
END $$;
GRANT EXECUTE ON FUNCTION is_open_now TO daira_app;

-- Inserts no follow and no circle member between users with a block. Blocks themselves only take the turn.
CREATE OR REPLACE FUNCTION tie_allowed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    one bigint;
    other bigint;
BEGIN
    IF TG_TABLE_NAME = 'blocks' THEN
        PERFORM take_turn(NEW.blocker_id, NEW.blocked_id);
        RETURN NEW;
    ELSIF TG_TABLE_NAME = 'follows' THEN
        one := NEW.follower_id;
        other := NEW.followee_id;
    ELSE
        one := NEW.owner_id;
        other := NEW.user_id;
    END IF;
    PERFORM take_turn(one, other);
    IF EXISTS (SELECT FROM blocks_between(one, other)) THEN
        RETURN NULL; -- inserts no row
    END IF;
    RETURN NEW;
END $$;

-- Inserts no block of a user who does not exist. The answer is the same as for other blocks, so it does not reveal who
-- exists. Rows of another blocker are left to the policy, which refuses them.
CREATE OR REPLACE FUNCTION tie_to_somebody() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.blocker_id = viewer_id() AND NOT EXISTS (SELECT FROM users WHERE id = NEW.blocked_id) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END $$;

-- Makes a follow pending or active. Follows of one account can run concurrently. A change of its privacy waits for
-- those that have begun, and later ones see it. Fires after `tie_allowed`, because triggers fire in the order of their
-- names.
CREATE OR REPLACE FUNCTION tie_decided() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM hold_shared('privacy', NEW.followee_id);
    SELECT CASE WHEN is_private THEN 'pending' ELSE 'active' END INTO NEW.status FROM users WHERE id = NEW.followee_id;
    RETURN NEW;
END $$;

-- A block deletes all follows and circle members between the two users, also those that only the other user may change.
CREATE OR REPLACE FUNCTION blocks_sever() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM follows WHERE follower_id = NEW.blocker_id AND followee_id = NEW.blocked_id;
    DELETE FROM follows WHERE follower_id = NEW.blocked_id AND followee_id = NEW.blocker_id;
    DELETE FROM circle_members WHERE owner_id = NEW.blocker_id AND user_id = NEW.blocked_id;
    DELETE FROM circle_members WHERE owner_id = NEW.blocked_id AND user_id = NEW.blocker_id;
    RETURN NULL;
END $$;

-- Locks both rows in the order of ids, so that two users who follow each other at once do not deadlock.
CREATE OR REPLACE FUNCTION count_follow(follower bigint, followee bigint, step integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM users WHERE id IN (follower, followee) ORDER BY id FOR NO KEY UPDATE;
    UPDATE users SET following_count = following_count + step WHERE id = follower;
    UPDATE users SET follower_count = follower_count + step WHERE id = followee;
END $$;

CREATE OR REPLACE FUNCTION follows_counted() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    was boolean := TG_OP <> 'INSERT' AND OLD.status = 'active';
    is_now boolean := TG_OP <> 'DELETE' AND NEW.status = 'active';
BEGIN
    IF was AND NOT is_now THEN
        PERFORM count_follow(OLD.follower_id, OLD.followee_id, -1);
    ELSIF is_now AND NOT was THEN
        PERFORM count_follow(NEW.follower_id, NEW.followee_id, 1);
    END IF;
    RETURN NULL;
END $$;

-- Whether the viewer may add this event to the outbox: its rows are as the viewer alone could have left them, and its
-- key is the one that keeps its order. Each domain has such a function and a policy; other topics are refused.
CREATE OR REPLACE FUNCTION may_tell_of_graph(topic text, key text, event jsonb) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    me text := viewer_id();
BEGIN
    CASE topic
    WHEN 'graph.follow_changed' THEN
        RETURN key = event ->> 'followee_id'
            AND CASE event ->> 'change' WHEN 'accepted' THEN me = event ->> 'followee_id'
                                        WHEN 'ended' THEN me IN (event ->> 'followee_id', event ->> 'follower_id')
                                        ELSE me = event ->> 'follower_id' END
            AND (SELECT f.status FROM follows f WHERE f.follower_id = (event ->> 'follower_id')::bigint
                     AND f.followee_id = (event ->> 'followee_id')::bigint)
                IS NOT DISTINCT FROM CASE event ->> 'change' WHEN 'requested' THEN 'pending' WHEN 'ended' THEN NULL
                                                             ELSE 'active' END;
    WHEN 'graph.blocked', 'graph.unblocked' THEN
        RETURN me = event ->> 'blocker_id' AND key = event ->> 'blocked_id'
            AND EXISTS (SELECT FROM blocks b WHERE b.blocker_id = viewer_id()
                        AND b.blocked_id = (event ->> 'blocked_id')::bigint) = (topic = 'graph.blocked');
    WHEN 'graph.mute_changed' THEN
        RETURN me = event ->> 'user_id' AND key = event ->> 'muted_id';
    WHEN 'graph.access_narrowed' THEN
        RETURN me = event ->> 'owner_id' AND key = me;
    ELSE
        RETURN false;
    END CASE;
END $$;
GRANT EXECUTE ON FUNCTION may_tell_of_graph TO daira_app;
