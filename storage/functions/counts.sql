-- Counts of posts and comments. Triggers note what has changed, workers fold the changes into the counts.

---------------------------------------------------------------------------------------------------- noting changes

-- Each change is a row of its own, so that calls about one popular post do not wait for each other.

CREATE OR REPLACE FUNCTION reactions_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.kind = NEW.kind AND OLD.is_counted = NEW.is_counted THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' AND OLD.is_counted THEN
        INSERT INTO count_changes (target_type, target_id, field, delta)
            VALUES (OLD.target_type, OLD.target_id, OLD.kind, -1);
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.is_counted THEN
        INSERT INTO count_changes (target_type, target_id, field, delta)
            VALUES (NEW.target_type, NEW.target_id, NEW.kind, 1);
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION comments_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    step bigint := (NEW.status = 'published' AND is_shown(NEW.standing) AND NEW.is_counted)::int
        - (TG_OP = 'UPDATE' AND OLD.status = 'published' AND is_shown(OLD.standing) AND OLD.is_counted)::int;
BEGIN
    IF step <> 0 THEN
        INSERT INTO count_changes (target_type, target_id, field, delta)
            SELECT 'post', NEW.post_id, 'comments', step
            UNION ALL SELECT 'comment', NEW.parent_id, 'replies', step WHERE NEW.parent_id IS NOT NULL;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION shares_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    step bigint := (NEW.status = 'published' AND is_shown(NEW.standing))::int
        - (TG_OP = 'UPDATE' AND OLD.status = 'published' AND is_shown(OLD.standing))::int;
BEGIN
    IF step <> 0 THEN
        INSERT INTO count_changes (target_type, target_id, field, delta)
            VALUES ('post', NEW.shared_post_id, 'shares', step);
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION saves_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO count_changes (target_type, target_id, field, delta)
        VALUES ('post', coalesce(NEW.post_id, OLD.post_id), 'saves', CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END);
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION views_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO count_changes (target_type, target_id, field, delta)
        SELECT 'post', post_id, 'views', count(*) FROM written GROUP BY post_id;
    RETURN NULL;
END $$;

-- Reactions and comments of users who are suspended, banned or deleted do not count, as lists do not show them. This
-- makes a page of the user's rows count as the user's status says: at most `amount` of those below `before`, and all
-- comments on one post. `kind`: reactions to 'post' or 'comment', or 'written' comments. Returns where the next page
-- begins; null at the end.
CREATE OR REPLACE FUNCTION recount(person bigint, kind text, before bigint, amount integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    counts boolean := (SELECT u.status = 'active' FROM users u WHERE u.id = person);
    page bigint[]; -- by an array, whose ids are looked up: a join may read all rows of the user for each page
    last bigint;
BEGIN
    CASE kind -- each in the order of its index
    WHEN 'post' THEN
        SELECT array_agg(p.target_id), CASE WHEN count(*) = amount THEN min(p.id) END INTO page, last FROM (
            SELECT r.id, r.target_id FROM reactions r
            WHERE r.user_id = person AND r.target_type = 'post' AND r.id < before ORDER BY r.id DESC LIMIT amount) p;
    WHEN 'comment' THEN
        SELECT array_agg(p.target_id), CASE WHEN count(*) = amount THEN min(p.target_id) END INTO page, last FROM (
            SELECT r.target_id FROM reactions r
            WHERE r.user_id = person AND r.target_type = 'comment' AND r.target_id < before
            ORDER BY r.target_id DESC LIMIT amount) p;
    WHEN 'written' THEN
        SELECT array_agg(p.id), CASE WHEN count(*) >= amount THEN min(p.post_id) END INTO page, last FROM (
            SELECT c.id, c.post_id FROM comments c
            WHERE c.author_id = person AND c.status = 'published' AND c.post_id < before
            ORDER BY c.post_id DESC FETCH FIRST amount ROWS WITH TIES) p;
    END CASE;
    IF kind = 'written' THEN
        UPDATE comments c SET is_counted = counts WHERE c.id = ANY (page) AND c.is_counted <> counts;
    ELSE
        UPDATE reactions r SET is_counted = counts
        WHERE r.target_type = recount.kind AND r.target_id = ANY (page) AND r.user_id = person AND r.is_counted <> counts;
    END IF;
    RETURN last;
END $$;
GRANT EXECUTE ON FUNCTION recount TO daira_worker;

---------------------------------------------------------------------------------------------------- folding changes

-- The counts of reactions after the changes. Kinds that nobody uses are left out.
CREATE OR REPLACE FUNCTION added_up(counts jsonb, changes jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE SET search_path = public, pg_temp
    RETURN (SELECT coalesce(jsonb_object_agg(kind, amount), '{}') FROM (
        SELECT kind, sum(amount::bigint) AS amount
        FROM (SELECT * FROM jsonb_each_text(counts) UNION ALL SELECT * FROM jsonb_each_text(changes)) AS c (kind, amount)
        GROUP BY kind HAVING sum(amount::bigint) <> 0) summed);

-- Lets one transaction change counts at a time, so that versions are pushed in their order. False: another one does.
CREATE OR REPLACE FUNCTION take_counts_turn() RETURNS boolean
    LANGUAGE sql SET search_path = public, pg_temp AS $$
    SELECT pg_try_advisory_xact_lock(hashtext('daira_counts'))
$$;
GRANT EXECUTE ON FUNCTION take_counts_turn TO daira_worker;

-- Folds the oldest changes into the counts of their targets, which are locked in the order of ids. Returns how many
-- changes. All in one transaction, so a change counts once, even if a worker dies. A post with 1,000 views gets a
-- sketch; from then on its count is the sketch's.
CREATE OR REPLACE FUNCTION fold_counts(amount integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    folded bigint;
    post_ids bigint[];
    post_changes jsonb[];
    comment_ids bigint[];
    comment_changes jsonb[];
BEGIN
    WITH taken AS (
        -- By an array, whose ids are looked up: a join would read the whole backlog for each fold.
        DELETE FROM count_changes WHERE id = ANY (ARRAY (SELECT id FROM count_changes ORDER BY id LIMIT amount))
        RETURNING *
    ), summed AS (
        SELECT target_type, target_id, field, sum(delta) AS delta, count(*) AS rows
        FROM taken GROUP BY target_type, target_id, field
    ), targets AS (
        SELECT target_type, target_id AS id, jsonb_object_agg(field, delta) AS changes, sum(rows) AS rows
        FROM summed GROUP BY target_type, target_id
    )
    SELECT coalesce(sum(rows), 0),
           array_agg(id ORDER BY id) FILTER (WHERE target_type = 'post'),
           array_agg(changes ORDER BY id) FILTER (WHERE target_type = 'post'),
           array_agg(id ORDER BY id) FILTER (WHERE target_type = 'comment'),
           array_agg(changes ORDER BY id) FILTER (WHERE target_type = 'comment')
    INTO folded, post_ids, post_changes, comment_ids, comment_changes FROM targets;

    PERFORM FROM posts WHERE id = ANY (post_ids) ORDER BY id FOR NO KEY UPDATE;
    WITH new AS (
        SELECT p.id, p.looks, p.watched, p.completions, (c.changes ->> 'views')::int AS new_views,
               added_up(p.reactions, c.changes - ARRAY ['comments', 'shares', 'saves', 'views']) AS reactions,
               p.comment_count + coalesce((c.changes ->> 'comments')::int, 0) AS comments,
               p.share_count + coalesce((c.changes ->> 'shares')::int, 0) AS shares,
               p.save_count + coalesce((c.changes ->> 'saves')::int, 0) AS saves,
               coalesce((SELECT s.counted FROM view_sketches s WHERE s.post_id = p.id),
                        p.view_count + coalesce((c.changes ->> 'views')::int, 0)) AS views
        FROM unnest(post_ids, post_changes) AS c (id, changes) JOIN posts p ON p.id = c.id
    ), changed AS (
        UPDATE posts p SET
            reactions = n.reactions, comment_count = n.comments, share_count = n.shares, save_count = n.saves,
            view_count = n.views, counts_version = counts_version + 1,
            quality = post_quality(n.reactions, n.comments, n.shares, n.saves, n.views, n.looks, n.watched,
                                   n.completions)
        FROM new n WHERE p.id = n.id
        RETURNING p.id, p.view_count, n.new_views AS views
    ), unpushed AS (
        INSERT INTO counts_unpushed SELECT 'post', id FROM changed ON CONFLICT DO NOTHING
    )
    INSERT INTO view_sketches (post_id, counted, is_due) SELECT id, view_count, true FROM changed
        WHERE view_count >= 1000 AND views > 0 ON CONFLICT (post_id) DO UPDATE SET is_due = true;

    PERFORM FROM comments WHERE id = ANY (comment_ids) ORDER BY id FOR NO KEY UPDATE;
    WITH changed AS (
        UPDATE comments m SET
            reactions = added_up(reactions, c.changes - 'replies'),
            reply_count = reply_count + coalesce((c.changes ->> 'replies')::int, 0),
            counts_version = counts_version + 1
        FROM unnest(comment_ids, comment_changes) AS c (id, changes) WHERE m.id = c.id RETURNING m.id
    )
    INSERT INTO counts_unpushed SELECT 'comment', id FROM changed ON CONFLICT DO NOTHING;
    RETURN folded;
END $$;
GRANT EXECUTE ON FUNCTION fold_counts TO daira_worker;

-- The number of changes to fold, counted up to 100,000, and the age of the oldest in seconds.
CREATE OR REPLACE FUNCTION counts_backlog() RETURNS TABLE (unfolded bigint, age double precision)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT count(*), coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8
    FROM (SELECT created_at FROM count_changes ORDER BY id LIMIT 100000) rows
$$;
GRANT EXECUTE ON FUNCTION counts_backlog TO daira_app, daira_worker;

-- Whether there is anything to fold, to push or to move into a sketch. By the index, which passes over deleted rows.
CREATE OR REPLACE FUNCTION counts_wait() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT (SELECT id FROM count_changes ORDER BY id LIMIT 1) IS NOT NULL
        OR (SELECT target_id FROM counts_unpushed ORDER BY target_type, target_id LIMIT 1) IS NOT NULL
        OR EXISTS (SELECT FROM view_sketches WHERE is_due)
$$;
GRANT EXECUTE ON FUNCTION counts_wait TO daira_worker;

-- Stores what the sketch of the post has become. A count does not become less when its sketch estimates less.
CREATE OR REPLACE FUNCTION keep_sketch(post bigint, bytes bytea, estimate integer) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE view_sketches SET sketch = bytes, counted = greatest(counted, estimate) WHERE post_id = post;
    INSERT INTO count_changes (target_type, target_id, field, delta) VALUES ('post', post, 'views', 0);
$$;
GRANT EXECUTE ON FUNCTION keep_sketch TO daira_worker;

---------------------------------------------------------------------------------------------------- comparing

-- The counts of these targets that differ from their rows. Triggers write changes in the transaction of the rows, and a
-- fold changes counts in the transaction that deletes the changes: so in each snapshot, a count and its changes make
-- what the rows do, and this is exact while calls and workers run. The count of a sketch is compared once it is folded.
CREATE OR REPLACE FUNCTION counts_drift(kind text, ids bigint[])
    RETURNS TABLE (target_id bigint, field text, stored bigint, expected bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH pending AS MATERIALIZED (
        SELECT c.target_id AS id, c.field, sum(c.delta) AS amount FROM count_changes c
        WHERE c.target_type = kind AND c.target_id = ANY (ids) GROUP BY c.target_id, c.field
    ), counted AS (
        SELECT p.id, c.field, c.amount FROM posts p CROSS JOIN LATERAL (
            VALUES ('comments', p.comment_count::bigint), ('shares', p.share_count), ('saves', p.save_count),
                   ('views', p.view_count)
            UNION ALL SELECT r.key, r.value::bigint FROM jsonb_each_text(p.reactions) r) AS c (field, amount)
        WHERE kind = 'post' AND p.id = ANY (ids)
        UNION ALL
        SELECT m.id, c.field, c.amount FROM comments m CROSS JOIN LATERAL (
            VALUES ('replies', m.reply_count::bigint)
            UNION ALL SELECT r.key, r.value::bigint FROM jsonb_each_text(m.reactions) r) AS c (field, amount)
        WHERE kind = 'comment' AND m.id = ANY (ids)
    ), found AS (
        SELECT r.target_id AS id, r.kind AS field, count(*) AS amount FROM reactions r
        WHERE r.target_type = counts_drift.kind AND r.target_id = ANY (ids) AND r.is_counted GROUP BY r.target_id, r.kind
        UNION ALL SELECT post_id, 'comments', count(*) FROM comments
            WHERE counts_drift.kind = 'post' AND post_id = ANY (ids) AND status = 'published' AND is_shown(standing)
              AND is_counted
            GROUP BY post_id
        UNION ALL SELECT parent_id, 'replies', count(*) FROM comments
            WHERE counts_drift.kind = 'comment' AND parent_id = ANY (ids) AND status = 'published' AND is_shown(standing)
              AND is_counted
            GROUP BY parent_id
        UNION ALL SELECT shared_post_id, 'shares', count(*) FROM posts
            WHERE counts_drift.kind = 'post' AND shared_post_id = ANY (ids) AND status = 'published' AND is_shown(standing)
            GROUP BY shared_post_id
        UNION ALL SELECT post_id, 'saves', count(*) FROM saves
            WHERE counts_drift.kind = 'post' AND post_id = ANY (ids) GROUP BY post_id
        UNION ALL SELECT v.post_id, 'views', count(*) FROM views v
            WHERE counts_drift.kind = 'post' AND v.post_id = ANY (ids)
              AND NOT EXISTS (SELECT FROM view_sketches s WHERE s.post_id = v.post_id) GROUP BY v.post_id
        UNION ALL SELECT s.post_id, 'views', s.counted FROM view_sketches s
            WHERE counts_drift.kind = 'post' AND s.post_id = ANY (ids)
        UNION ALL SELECT p.id, p.field, -p.amount FROM pending p
            WHERE p.field <> 'views' OR NOT EXISTS (SELECT FROM view_sketches s WHERE s.post_id = p.id)
    ), summed AS (
        SELECT id, field, sum(amount) AS amount FROM found GROUP BY id, field
    )
    SELECT id, field, coalesce(c.amount, 0)::bigint, coalesce(s.amount, 0)::bigint
    FROM counted c FULL JOIN summed s USING (id, field)
    WHERE coalesce(c.amount, 0) <> coalesce(s.amount, 0)
      AND NOT (field = 'views' AND EXISTS (SELECT FROM view_sketches s WHERE s.post_id = id)
               AND EXISTS (SELECT FROM pending p WHERE p.id = id AND p.field = 'views'))
    ORDER BY id, field
$$;
GRANT EXECUTE ON FUNCTION counts_drift TO daira_worker;

-- Notes a change for each difference, which the next fold adds to the count, and returns the differences. Only another
-- repair has to wait.
CREATE OR REPLACE FUNCTION counts_repair(kind text, ids bigint[])
    RETURNS TABLE (target_id bigint, field text, stored bigint, expected bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('daira_counts_repair'));
    RETURN QUERY
        WITH found AS (SELECT * FROM counts_drift(kind, ids)),
        noted AS (
            INSERT INTO count_changes (target_type, target_id, field, delta)
            SELECT counts_repair.kind, f.target_id, f.field, f.expected - f.stored FROM found f)
        SELECT * FROM found;
END $$;
GRANT EXECUTE ON FUNCTION counts_repair TO daira_worker;

---------------------------------------------------------------------------------------------------- for a viewer

-- For each of these targets: the viewer's reaction and save, and the numbers to subtract from its counts for the viewer:
-- reactions and comments of up to 1,000 users who are hidden from the viewer, which lists do not show either; and to add,
-- as a negative number: the viewer's own comments that are withheld from others. It takes a few steps in an index for
-- each target and hidden user, however popular a post is: OFFSET 0 keeps the order of the joins, and without row
-- policies, the viewer's id is a condition of the index. The plan is kept: to plan anew takes five times as long as the
-- rest.
CREATE OR REPLACE FUNCTION viewer_marks(kind text, ids bigint[])
    RETURNS TABLE (target_id bigint, reaction text, is_saved boolean, hidden jsonb)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
    ROWS 20 AS $$
    WITH own AS MATERIALIZED (
        SELECT x.target_id, x.kind FROM reactions x
        WHERE x.target_type = viewer_marks.kind AND x.target_id = ANY (ids) AND x.user_id = viewer_id()
    ), hidden AS MATERIALIZED (
        SELECT DISTINCT user_id FROM hidden_users(viewer_id()) LIMIT 1000
    ), less AS MATERIALIZED (
        SELECT r.target_id, r.kind AS field, count(*) AS amount FROM hidden h CROSS JOIN LATERAL (
            SELECT x.target_id, x.kind FROM reactions x
            WHERE x.target_type = viewer_marks.kind AND x.target_id = ANY (ids) AND x.user_id = h.user_id AND x.is_counted
            OFFSET 0) r
        GROUP BY r.target_id, r.kind
        UNION ALL
        SELECT c.post_id, 'comments', count(*) FROM hidden h CROSS JOIN LATERAL (
            SELECT x.post_id FROM comments x
            WHERE viewer_marks.kind = 'post' AND x.author_id = h.user_id AND x.post_id = ANY (ids)
              AND x.status = 'published' AND is_shown(x.standing) AND x.is_counted OFFSET 0) c
        GROUP BY c.post_id
        UNION ALL
        SELECT c.post_id, 'comments', -count(*) FROM comments c
        WHERE viewer_marks.kind = 'post' AND c.author_id = viewer_id() AND c.post_id = ANY (ids)
          AND c.status = 'published' AND c.standing IN ('shadowed', 'held', 'removed') -- as the index says it
        GROUP BY c.post_id
    ), summed AS (
        SELECT l.target_id, l.field, sum(l.amount) AS amount FROM less l GROUP BY l.target_id, l.field
    )
    SELECT t.id,
           (SELECT o.kind FROM own o WHERE o.target_id = t.id),
           viewer_marks.kind = 'post'
               AND EXISTS (SELECT FROM saves s WHERE s.post_id = t.id AND s.user_id = viewer_id()),
           (SELECT jsonb_object_agg(s.field, s.amount) FROM summed s WHERE s.target_id = t.id)
    FROM unnest(ids) AS t (id)
$$;
GRANT EXECUTE ON FUNCTION viewer_marks TO daira_app, daira_worker;
