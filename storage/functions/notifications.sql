-- Notifications: their recipients, what a user may see of them, and which ones the user has seen.

-- Whether the user hides the other, or is hidden from by a block of the other.
CREATE OR REPLACE FUNCTION hides(person bigint, other bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN EXISTS (SELECT FROM public.blocks_between(person, other))
        OR EXISTS (SELECT FROM public.mutes WHERE user_id = person AND muted_id = other AND kind = 'all'
                   AND (until IS NULL OR until > now()));

-- Whether the user may see what a notification is about.
CREATE OR REPLACE FUNCTION target_visible_to(person bigint, type text, target bigint) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    CASE type
    WHEN 'post' THEN
        RETURN EXISTS (SELECT FROM posts p JOIN users u ON u.id = p.author_id
                       WHERE p.id = target AND p.status = 'published' AND u.status = 'active'
                         AND post_visible_to(person, p.author_id, p.visibility, p.circle_id)
                         AND (p.author_id = person OR NOT too_young_for(p.labels, person)));
    WHEN 'comment' THEN
        RETURN EXISTS (SELECT FROM comments c JOIN posts p ON p.id = c.post_id JOIN users u ON u.id = p.author_id
                       WHERE c.id = target AND c.status = 'published' AND p.status = 'published' AND u.status = 'active'
                         AND (c.author_id = person OR is_shown(c.standing) AND NOT too_young_for(c.labels, person))
                         AND (p.author_id = person OR NOT too_young_for(p.labels, person))
                         AND post_visible_to(person, p.author_id, p.visibility, p.circle_id));
    WHEN 'chat' THEN
        RETURN chat_visible_to(person, target);
    WHEN 'room' THEN
        RETURN EXISTS (SELECT FROM rooms r WHERE r.id = target
                       AND room_visible_to(person, r.id, r.owner_id, r.host_id, r.visibility, r.circle_id));
    WHEN 'user' THEN
        RETURN EXISTS (SELECT FROM users u WHERE u.id = target AND u.status = 'active');
    ELSE
        RETURN true;
    END CASE;
END $$;

-- What happens to a notification of the user: 'accept', 'filter' (the user's policy keeps it back) or 'drop'.
CREATE OR REPLACE FUNCTION notification_verdict(person bigint, kind text, type text, target bigint, actor bigint)
    RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    policies text[];
BEGIN
    IF NOT target_visible_to(person, type, target) OR actor <> 0 AND hides(person, actor)
        OR kind = 'mention' AND (NOT admits(person, actor, 'mentions') OR type = 'post' AND EXISTS (
            SELECT FROM mutes m WHERE m.user_id = person AND m.muted_id = actor AND m.kind = 'posts'
                AND (m.until IS NULL OR m.until > now()))) THEN
        RETURN 'drop';
    END IF;
    IF actor = 0 OR kind = 'acceptance' THEN RETURN 'accept'; END IF; -- the user waits for it
    SELECT ARRAY [p.strangers, CASE WHEN u.created_at > now() - interval '72 hours' THEN p.new_accounts END]
        INTO policies FROM notification_preferences p, users u
        WHERE p.user_id = person AND u.id = actor AND NOT EXISTS (
            SELECT FROM follows f WHERE f.follower_id = person AND f.followee_id = actor AND f.status = 'active');
    RETURN CASE WHEN 'drop' = ANY (policies) THEN 'drop' WHEN 'filter' = ANY (policies) THEN 'filter' ELSE 'accept' END;
END $$;

-- Whether the actor's reaction to the target, or follow of the person, has not ended.
CREATE OR REPLACE FUNCTION cause_stands(person bigint, kind text, type text, target bigint, actor bigint)
    RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN CASE kind
        WHEN 'follow' THEN EXISTS (
            SELECT FROM public.follows f
            WHERE f.follower_id = actor AND f.followee_id = person AND f.status = 'active')
        WHEN 'reaction' THEN EXISTS (
            SELECT FROM public.reactions r
            WHERE r.target_type = type AND r.target_id = target AND r.user_id = actor) END;

-- A reaction or follow has ended or is back: its actor leaves the person's notification, or is shown there again. One
-- without actors is hidden and closed, and devices dismiss it. Returns the notification if it has changed and is listed.
CREATE OR REPLACE FUNCTION recheck_cause(told_kind text, type text, target bigint, actor bigint, person bigint)
    RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    changed bigint;
    listed bigint;
    is_gone boolean;
    is_empty boolean;
BEGIN
    PERFORM hold('notifications', person); -- `notify` stores no cause at the same time
    UPDATE notification_causes c SET is_withdrawn = NOT c.is_withdrawn
    WHERE c.user_id = person AND c.kind = told_kind AND c.target_type = type AND c.target_id = target
      AND c.actor_id = actor AND c.is_withdrawn = cause_stands(person, told_kind, type, target, actor)
    RETURNING c.notification_id, c.is_withdrawn INTO changed, is_gone;
    UPDATE notifications n
    SET actor_count = n.actor_count + CASE WHEN is_gone THEN -1 ELSE 1 END,
        actor_ids = ARRAY (SELECT c.actor_id FROM notification_causes c
                           WHERE c.notification_id = n.id AND NOT c.is_withdrawn ORDER BY c.created_at DESC LIMIT 8),
        group_key = CASE WHEN NOT is_gone OR n.actor_count > 1 THEN n.group_key END
    WHERE n.id = changed
    RETURNING n.actor_count = 0, CASE n.place WHEN 'list' THEN n.id END INTO is_empty, listed;
    IF is_empty THEN
        PERFORM dismiss_deliveries(ARRAY [changed]);
    END IF;
    RETURN listed;
END $$;
GRANT EXECUTE ON FUNCTION recheck_cause TO daira_worker;

-- The people whom another run of the event notified less than ten minutes ago: the push may have been lost.
CREATE OR REPLACE FUNCTION told_lately(event bigint, told_kind text, type text, target bigint, actor bigint,
                                       people bigint[])
    RETURNS TABLE (user_id bigint, notification_id bigint, place text, is_new boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT c.user_id, c.notification_id, n.place, false
    FROM notification_causes c JOIN notifications n ON n.id = c.notification_id
    WHERE c.user_id = ANY (people) AND c.kind = told_kind AND c.target_type = type AND c.target_id = target
      AND c.actor_id = actor AND c.event_id = event AND c.created_at > now() - interval '10 minutes'
      AND n.seen_at IS NULL
$$;
GRANT EXECUTE ON FUNCTION told_lately TO daira_worker;

-- Notify people of what the actor (0: nobody) did, each once for a cause. `ids` are ids for new notifications, one for
-- each of `people`. Reactions and follows join the notification of their target while the user has not seen it, and
-- for 12 hours; a reaction or follow that has ended since notifies nobody. Returns the notifications that are new or have a new actor, also those that another run of this event
-- made less than ten minutes ago: its push may have been lost.
CREATE OR REPLACE FUNCTION notify(event bigint, told_kind text, type text, target bigint, actor bigint,
                                  people bigint[], ids bigint[])
    RETURNS TABLE (user_id bigint, notification_id bigint, place text, is_new boolean)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    is_grouped boolean := told_kind IN ('reaction', 'follow');
BEGIN
    IF is_grouped THEN -- in the order of ids, so that two statements with the same users do not deadlock
        PERFORM hold('notifications', o.person) FROM (SELECT unnest(people) AS person ORDER BY 1) o;
        UPDATE notifications n SET group_key = NULL
        WHERE n.user_id = ANY (people) AND n.group_key IN (concat_ws(':', told_kind, type, target, 'accept'),
                                                           concat_ws(':', told_kind, type, target, 'filter'))
          AND n.first_at <= now() - interval '12 hours';
    END IF;
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT pair.person, pair.id, CASE
                   WHEN u.status = 'active' OR told_kind = 'account' AND u.status IN ('suspended', 'banned')
                       THEN notification_verdict(pair.person, told_kind, type, target, actor)
                   ELSE 'drop' END AS verdict,
               is_grouped AND NOT told_kind = ANY (coalesce(p.ungrouped, '{}')) AS joins
        FROM unnest(people, ids) AS pair (person, id)
        JOIN users u ON u.id = pair.person
        LEFT JOIN notification_preferences p ON p.user_id = pair.person
        WHERE pair.person <> actor
            AND (NOT is_grouped OR cause_stands(pair.person, told_kind, type, target, actor)) AND NOT EXISTS (
            SELECT FROM notification_causes c WHERE c.user_id = pair.person AND c.kind = told_kind
                AND c.target_type = type AND c.target_id = target AND c.actor_id = actor)
    ), told AS (
        SELECT a.person, a.verdict, CASE a.verdict WHEN 'accept' THEN 'list' ELSE 'filtered' END AS place, a.id,
               CASE WHEN a.joins THEN concat_ws(':', told_kind, type, target, a.verdict) END AS key, o.id AS open_id
        FROM asked a
        LEFT JOIN notifications o ON o.user_id = a.person
            AND o.group_key = CASE WHEN a.joins THEN concat_ws(':', told_kind, type, target, a.verdict) END
    ), fresh AS (
        INSERT INTO notification_causes AS c (user_id, kind, target_type, target_id, actor_id, event_id, notification_id)
        SELECT t.person, told_kind, type, target, actor, event,
               CASE WHEN t.verdict <> 'drop' THEN coalesce(t.open_id, t.id) END
        FROM told t ON CONFLICT DO NOTHING RETURNING c.user_id, c.notification_id
    ), added AS (
        INSERT INTO notifications AS n
            (id, user_id, kind, target_type, target_id, place, group_key, actor_ids, actor_count)
        SELECT t.id, t.person, told_kind, type, target, t.place, t.key, array_remove(ARRAY [actor], 0::bigint),
               (actor <> 0)::integer
        FROM told t JOIN fresh f ON f.user_id = t.person AND f.notification_id = t.id
        RETURNING n.user_id, n.id, n.place
    ), joined AS (
        UPDATE notifications n
        SET actor_ids = (actor || n.actor_ids)[1:8], actor_count = n.actor_count + 1, updated_at = now()
        FROM told t JOIN fresh f ON f.user_id = t.person AND f.notification_id = t.open_id
        WHERE n.id = t.open_id
        RETURNING n.user_id, n.id, n.place
    )
    SELECT a.user_id, a.id, a.place, true FROM added a
    UNION ALL SELECT j.user_id, j.id, j.place, false FROM joined j
    UNION ALL SELECT * FROM told_lately(event, told_kind, type, target, actor, people);
END $$;
GRANT EXECUTE ON FUNCTION notify TO daira_worker;

-- How to reach these users.
CREATE OR REPLACE FUNCTION notification_recipients(people bigint[])
    RETURNS TABLE (user_id bigint, locale text, timezone text, channels jsonb, quiet_from time, quiet_until time,
                   has_push boolean, has_email boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT u.id, coalesce(a.locale, 'ar-EG'), coalesce(a.timezone, 'Africa/Cairo'), coalesce(p.channels, '{}'),
           p.quiet_from, p.quiet_until,
           coalesce(d.has_push, false), coalesce(d.has_email, false)
    FROM users u LEFT JOIN accounts a ON a.user_id = u.id LEFT JOIN notification_preferences p ON p.user_id = u.id
    LEFT JOIN (SELECT d.user_id, bool_or(d.kind <> 'email') AS has_push, bool_or(d.kind = 'email') AS has_email
               FROM push_devices_of(people) d GROUP BY d.user_id) d ON d.user_id = u.id
    WHERE u.id = ANY (people) AND u.status = 'active'
$$;
GRANT EXECUTE ON FUNCTION notification_recipients TO daira_worker;

-- The beginning of the text that a notification is about.
CREATE OR REPLACE FUNCTION notification_detail(type text, target bigint) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN CASE type
        WHEN 'post' THEN (SELECT left(text, 300) FROM posts WHERE id = target)
        WHEN 'comment' THEN (SELECT left(text, 300) FROM comments WHERE id = target)
        WHEN 'room' THEN (SELECT topic FROM rooms WHERE id = target)
        WHEN 'session' THEN (SELECT device_name FROM sessions WHERE id = target) END;
END $$;
GRANT EXECUTE ON FUNCTION notification_detail TO daira_worker;

-- Those notifications of the user that the user may see now, with the number and the newest 8 of the actors who are
-- not hidden from the user. A number above 100 counts hidden ones too: otherwise, a page would read all actors.
CREATE OR REPLACE FUNCTION notifications_shown_to(person bigint, asked bigint[])
    RETURNS TABLE (found notifications, shown_count integer, actors users[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    -- `actor_ids` holds all actors of a group of at most 8. NOT IN asks a hash table of the hidden users, which is built
    -- once. OFFSET 0 computes a number once, although two places use it.
    WITH hidden AS MATERIALIZED (SELECT DISTINCT h.user_id AS id FROM hidden_users(person) h)
    SELECT n, kept.amount::integer, shown.actors
    FROM notifications n
    CROSS JOIN LATERAL (SELECT CASE
        WHEN n.actor_count > 100 OR NOT EXISTS (SELECT FROM hidden) THEN n.actor_count
        WHEN n.actor_count > 8 THEN (
            SELECT count(*) FROM notification_causes c
            WHERE c.notification_id = n.id AND NOT c.is_withdrawn AND c.actor_id NOT IN (SELECT h.id FROM hidden h))
        ELSE (SELECT count(*) FROM unnest(n.actor_ids) actor WHERE actor NOT IN (SELECT h.id FROM hidden h))
        END AS amount OFFSET 0) kept
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(actor.row ORDER BY sample.place), '{}') AS actors
        FROM unnest(CASE WHEN n.actor_count <= 8 OR NOT EXISTS (SELECT FROM hidden) THEN n.actor_ids ELSE ARRAY (
                SELECT c.actor_id FROM notification_causes c
                WHERE c.notification_id = n.id AND NOT c.is_withdrawn
                  AND c.actor_id NOT IN (SELECT h.id FROM hidden h)
                ORDER BY c.created_at DESC LIMIT 8) END) WITH ORDINALITY AS sample (id, place)
        -- OFFSET 0 has each user read by key: a join of these few would read all users.
        CROSS JOIN LATERAL (
            SELECT u AS row FROM users u WHERE u.id = sample.id AND u.status = 'active' OFFSET 0) actor
        WHERE sample.id NOT IN (SELECT h.id FROM hidden h)) shown
    WHERE n.id = ANY (asked) AND n.user_id = person
      AND (cardinality(shown.actors) > 0 OR n.actor_count = 0 AND n.kind NOT IN ('reaction', 'follow'))
      AND target_visible_to(person, n.target_type, n.target_id)
      AND (n.kind <> 'follow_request' OR EXISTS ( -- it was not withdrawn nor rejected
          SELECT FROM follows f WHERE f.follower_id = n.target_id AND f.followee_id = person))
$$;
GRANT EXECUTE ON FUNCTION notifications_shown_to TO daira_worker;

-- `notifications_shown_to` for the viewer.
CREATE OR REPLACE FUNCTION notifications_shown(asked bigint[])
    RETURNS TABLE (found notifications, shown_count integer, actors users[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    AS $$ SELECT * FROM notifications_shown_to(viewer_id(), asked) $$;
GRANT EXECUTE ON FUNCTION notifications_shown TO daira_app;

-- The number of notifications that the user may see and has not seen, among the newest 100 unseen ones.
CREATE OR REPLACE FUNCTION unseen_count_of(person bigint) RETURNS integer
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT count(*)::integer FROM notifications_shown_to(person, ARRAY (
        SELECT id FROM notifications WHERE user_id = person AND place = 'list' AND seen_at IS NULL
        ORDER BY id DESC LIMIT 100))
$$;
GRANT EXECUTE ON FUNCTION unseen_count_of TO daira_worker;

CREATE OR REPLACE FUNCTION unseen_count() RETURNS integer
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$ SELECT unseen_count_of(viewer_id()) $$;
GRANT EXECUTE ON FUNCTION unseen_count TO daira_app;

-- Devices that got these notifications must dismiss them.
CREATE OR REPLACE FUNCTION dismiss_deliveries(asked bigint[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH told AS (
        UPDATE notification_deliveries SET outcome = 'dismissed'
        WHERE notification_id = ANY (asked) AND channel = 'push'
          AND (outcome = 'sent' OR outcome IS NULL AND sent_to <> '{}')
        RETURNING notification_id, user_id)
    INSERT INTO notification_deliveries (notification_id, channel, user_id, due_at)
    SELECT t.notification_id, 'dismiss', t.user_id, now() FROM told t
    ON CONFLICT (notification_id, channel) DO UPDATE SET due_at = now(), outcome = NULL, attempts = 0
$$;

-- The text of a notification about moderation: the facts of the decision, or the outcome of an appeal or a report.
CREATE OR REPLACE FUNCTION moderation_notice(type text, target bigint) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN CASE type
        WHEN 'decision' THEN (SELECT s.facts FROM public.statements s WHERE s.decision_id = target)
        WHEN 'appeal' THEN (SELECT a.status FROM public.appeals a WHERE a.id = target)
        WHEN 'case' THEN (SELECT CASE c.action WHEN 'approve' THEN 'rejected' ELSE 'upheld' END
                          FROM public.cases c WHERE c.id = target) END;
GRANT EXECUTE ON FUNCTION moderation_notice TO daira_worker;

-- The same for the viewer, who has a notification of it.
CREATE OR REPLACE FUNCTION own_moderation_notice(type text, target bigint) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN CASE WHEN EXISTS (SELECT FROM public.notifications n WHERE n.user_id = public.viewer_id()
                                 AND n.kind IN ('account', 'report') AND n.target_type = type AND n.target_id = target)
                THEN public.moderation_notice(type, target) END;
GRANT EXECUTE ON FUNCTION own_moderation_notice TO daira_app;

-- Whether the viewer has a notification of this message.
CREATE OR REPLACE FUNCTION sees_system_message(message bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM notification_causes c JOIN notifications n ON n.id = c.notification_id
                   WHERE c.user_id = viewer_id() AND c.kind = 'system' AND c.target_type = 'system_message'
                     AND c.target_id = message AND c.actor_id = 0 AND n.user_id = viewer_id())
$$;
GRANT EXECUTE ON FUNCTION sees_system_message TO daira_app;

-- The viewer has seen the list down from the notification `up_to`, and its groups are closed. Returns the ids that
-- were unseen.
CREATE OR REPLACE FUNCTION see_notifications(up_to bigint) RETURNS SETOF bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    seen bigint[];
BEGIN
    PERFORM hold('notifications', viewer_id()); -- no actor joins a group at the same time
    WITH changed AS (
        UPDATE notifications SET seen_at = now(), group_key = NULL
        WHERE user_id = viewer_id() AND place = 'list' AND seen_at IS NULL AND id <= up_to RETURNING id)
    SELECT array_agg(id) INTO seen FROM changed;
    PERFORM dismiss_deliveries(seen);
    RETURN QUERY SELECT unnest(seen);
END $$;
GRANT EXECUTE ON FUNCTION see_notifications TO daira_app;

-- The viewer has opened these notifications. Returns the ids that were unread.
CREATE OR REPLACE FUNCTION read_notifications(asked bigint[]) RETURNS SETOF bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    opened bigint[];
BEGIN
    PERFORM hold('notifications', viewer_id());
    WITH changed AS (
        UPDATE notifications SET read_at = now(), seen_at = coalesce(seen_at, now()), group_key = NULL
        WHERE user_id = viewer_id() AND place = 'list' AND read_at IS NULL AND id = ANY (asked) RETURNING id)
    SELECT array_agg(id) INTO opened FROM changed;
    PERFORM dismiss_deliveries(opened);
    RETURN QUERY SELECT unnest(opened);
END $$;
GRANT EXECUTE ON FUNCTION read_notifications TO daira_app;

-- The viewer accepts what the policy kept back, into the list, or dismisses it.
CREATE OR REPLACE FUNCTION settle_filtered(asked bigint[], accepted boolean) RETURNS SETOF bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM hold('notifications', viewer_id());
    IF accepted THEN
        RETURN QUERY UPDATE notifications SET place = 'list', group_key = NULL
            WHERE user_id = viewer_id() AND place = 'filtered' AND id = ANY (asked) RETURNING id;
    ELSE
        RETURN QUERY DELETE FROM notifications
            WHERE user_id = viewer_id() AND place = 'filtered' AND id = ANY (asked) RETURNING id;
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION settle_filtered TO daira_app;
