-- Roles: daira_app serves calls and sees what the viewer may see; daira_worker reacts to events and sees all it
-- works on. Neither owns anything. Every table denies by default; each policy below opens one door.

GRANT USAGE ON SCHEMA public TO daira_app, daira_worker;

-- Who is asking. After a transaction the setting reads '', before the first one it is absent.
CREATE FUNCTION viewer_id() RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('app.user_id', true), '')::bigint;

-- The first id that a Snowflake minted at `at` can have (41 bits of ms since 2024-01-01, 22 below them).
CREATE FUNCTION snowflake_at(at timestamptz) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    RETURN (floor((extract(epoch FROM at) - 1704067200) * 1000)::bigint) << 22;

---------------------------------------------------------------------------------------------------- people

CREATE TABLE users (
    id              bigint PRIMARY KEY,
    username        text NOT NULL,
    username_key    text NOT NULL UNIQUE,           -- lower case; a stored key keeps its index under row policies
    display_name    text NOT NULL DEFAULT '',
    bio             text NOT NULL DEFAULT '',
    avatar_url      text,
    role            text NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'creator', 'moderator', 'admin')),
    status          text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'deleted')),
    is_verified     boolean NOT NULL DEFAULT false,
    is_private      boolean NOT NULL DEFAULT false,
    is_large        boolean NOT NULL DEFAULT false, -- posts are merged at read instead of fanned out
    follower_count  integer NOT NULL DEFAULT 0,
    following_count integer NOT NULL DEFAULT 0,
    post_count      integer NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX users_large ON users (id) WHERE is_large;

CREATE TABLE accounts (
    user_id       bigint PRIMARY KEY REFERENCES users,
    email         text NOT NULL,
    email_key     text NOT NULL UNIQUE,
    password_hash text,                             -- null: signs in by minted tokens alone (load and demo users)
    birth_date    date,
    locale        text NOT NULL DEFAULT 'ar-EG',
    timezone      text NOT NULL DEFAULT 'Africa/Cairo',
    created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE sessions (
    id             bigint PRIMARY KEY,
    user_id        bigint NOT NULL REFERENCES users,
    family_hash    bytea NOT NULL,                  -- SHA-256 of the part that all its refresh tokens share
    refresh_hash   bytea NOT NULL,                  -- of the token that is good now
    previous_hash  bytea,                           -- of the one it replaced
    rotated_at     timestamptz,
    device_name    text,
    fingerprint    text,
    ip             text,
    user_agent     text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    last_seen_at   timestamptz NOT NULL DEFAULT now(),
    expires_at     timestamptz NOT NULL,
    revoked_at     timestamptz,
    revoked_reason text
);
CREATE INDEX sessions_of_user ON sessions (user_id, id DESC) WHERE revoked_at IS NULL;

CREATE TABLE audit (
    id         bigint PRIMARY KEY,
    actor_id   bigint,
    action     text NOT NULL,
    resource   text NOT NULL,
    changes    jsonb NOT NULL DEFAULT '{}',
    ip         text,
    user_agent text
) PARTITION BY RANGE (id);
CREATE INDEX audit_of_actor ON audit (actor_id, id DESC);

---------------------------------------------------------------------------------------------------- graph

CREATE TABLE follows (
    id          bigint NOT NULL,                    -- pages the lists, newest first
    follower_id bigint NOT NULL REFERENCES users,
    followee_id bigint NOT NULL REFERENCES users,
    status      text NOT NULL CHECK (status IN ('active', 'pending')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (follower_id, followee_id),
    CHECK (follower_id <> followee_id)
);
CREATE INDEX follows_by_followee ON follows (followee_id, status, id DESC) INCLUDE (follower_id);
CREATE INDEX follows_by_follower ON follows (follower_id, status, id DESC) INCLUDE (followee_id);

CREATE TABLE blocks (
    blocker_id bigint NOT NULL REFERENCES users,
    blocked_id bigint NOT NULL REFERENCES users,
    reason     text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (blocker_id, blocked_id),
    CHECK (blocker_id <> blocked_id)
);
CREATE INDEX blocks_by_blocked ON blocks (blocked_id, blocker_id);

CREATE TABLE mutes (
    user_id    bigint NOT NULL REFERENCES users,
    muted_id   bigint NOT NULL REFERENCES users,
    kind       text NOT NULL CHECK (kind IN ('all', 'posts', 'stories')),
    until      timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, muted_id, kind),
    CHECK (user_id <> muted_id)
);
CREATE INDEX mutes_by_muted ON mutes (muted_id, user_id);

CREATE TABLE circles (
    id         bigint PRIMARY KEY,
    owner_id   bigint NOT NULL REFERENCES users,
    name       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX circles_of_owner ON circles (owner_id, id DESC);

CREATE TABLE circle_members (
    circle_id bigint NOT NULL REFERENCES circles ON DELETE CASCADE,
    owner_id  bigint NOT NULL REFERENCES users,
    user_id   bigint NOT NULL REFERENCES users,
    added_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (circle_id, user_id)
);
CREATE INDEX circle_members_by_user ON circle_members (user_id, owner_id);

---------------------------------------------------------------------------------------------------- posts

CREATE TABLE posts (
    id            bigint PRIMARY KEY,
    author_id     bigint NOT NULL REFERENCES users,
    text          text NOT NULL,
    visibility    text NOT NULL CHECK (visibility IN ('public', 'followers', 'circle', 'private')),
    circle_id     bigint,
    reply_policy  text NOT NULL CHECK (reply_policy IN ('everyone', 'followers', 'mentioned', 'nobody')),
    hashtags      text[] NOT NULL DEFAULT '{}',
    mention_ids   bigint[] NOT NULL DEFAULT '{}',
    status        text NOT NULL DEFAULT 'published' CHECK (status IN ('published', 'deleted')),
    version       integer NOT NULL DEFAULT 1,
    reactions     jsonb NOT NULL DEFAULT '{}',
    comment_count integer NOT NULL DEFAULT 0,
    share_count   integer NOT NULL DEFAULT 0,
    save_count    integer NOT NULL DEFAULT 0,
    view_count    integer NOT NULL DEFAULT 0,
    edited_at     timestamptz,
    deleted_at    timestamptz,
    CHECK ((visibility = 'circle') = (circle_id IS NOT NULL))
) PARTITION BY RANGE (id);
CREATE INDEX posts_of_author ON posts (author_id, id DESC) WHERE status = 'published';

-- Who is named in a post: what puts it into their feed, and what their feed is rebuilt from.
CREATE TABLE post_mentions (
    post_id   bigint NOT NULL,
    author_id bigint NOT NULL REFERENCES users,
    user_id   bigint NOT NULL REFERENCES users,
    PRIMARY KEY (user_id, post_id)
);
CREATE INDEX post_mentions_of_post ON post_mentions (post_id);

---------------------------------------------------------------------------------------------------- events

CREATE TABLE outbox (
    id         bigint PRIMARY KEY,
    topic      text NOT NULL,
    key        text NOT NULL,
    payload    bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_batch bigint,                              -- which append carried it; null: not yet
    sent_at    timestamptz
);
CREATE INDEX outbox_unsent ON outbox (id) WHERE sent_batch IS NULL;
CREATE INDEX outbox_sent ON outbox (sent_batch) WHERE sent_batch IS NOT NULL;
CREATE INDEX outbox_sent_at ON outbox (sent_at) WHERE sent_at IS NOT NULL;
CREATE SEQUENCE outbox_batches;

CREATE FUNCTION outbox_backlog() RETURNS TABLE (unsent bigint, age double precision)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT count(*), coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8
    FROM (SELECT created_at FROM outbox WHERE sent_batch IS NULL ORDER BY id LIMIT 100000) rows
$$;

CREATE TABLE idempotency (
    user_id      bigint NOT NULL REFERENCES users,
    method       text NOT NULL,
    key          text NOT NULL,
    request_hash bytea NOT NULL,
    answer       bytea NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, method, key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);

---------------------------------------------------------------------------------------------------- partitions

-- Monthly ranges of the id for what grows for ever; a default partition takes what no month has been made for.
CREATE FUNCTION ensure_partitions(months_ahead integer DEFAULT 3) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    parent text;
    month  timestamptz;
    child  text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ensure_partitions'));
    FOREACH parent IN ARRAY ARRAY ['posts', 'audit'] LOOP
        FOR month IN SELECT generate_series(date_trunc('month', now(), 'UTC'),
                                            date_trunc('month', now(), 'UTC') + make_interval(months => months_ahead),
                                            interval '1 month', 'UTC') LOOP
            child := format('%s_%s', parent, to_char(month AT TIME ZONE 'UTC', 'YYYYMM'));
            IF to_regclass(child) IS NULL THEN
                EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%s) TO (%s)', child, parent,
                               snowflake_at(month), snowflake_at(month + interval '1 month'));
            END IF;
        END LOOP;
    END LOOP;
END $$;

CREATE TABLE posts_default PARTITION OF posts DEFAULT;
CREATE TABLE audit_default PARTITION OF audit DEFAULT;
SELECT ensure_partitions();

---------------------------------------------------------------------------------------------------- counts

-- Both rows in the order of their ids: two people following each other at once must not deadlock.
CREATE FUNCTION count_follow(follower bigint, followee bigint, step integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF follower < followee THEN
        UPDATE users SET following_count = following_count + step WHERE id = follower;
        UPDATE users SET follower_count = follower_count + step WHERE id = followee;
    ELSE
        UPDATE users SET follower_count = follower_count + step WHERE id = followee;
        UPDATE users SET following_count = following_count + step WHERE id = follower;
    END IF;
END $$;

CREATE FUNCTION follows_counted() RETURNS trigger
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
CREATE TRIGGER follows_counted AFTER INSERT OR UPDATE OR DELETE ON follows
    FOR EACH ROW EXECUTE FUNCTION follows_counted();

CREATE FUNCTION posts_counted() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE users SET post_count = post_count + 1 WHERE id = NEW.author_id;
    ELSIF OLD.status = 'published' AND NEW.status = 'deleted' THEN
        UPDATE users SET post_count = post_count - 1 WHERE id = NEW.author_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER posts_counted AFTER INSERT OR UPDATE OF status ON posts
    FOR EACH ROW EXECUTE FUNCTION posts_counted();

-- Who blocks and who ties the knot at the same moment take turns: the tie sees the block, or the block the tie.
CREATE FUNCTION take_turn(one bigint, other bigint) RETURNS void
    LANGUAGE sql SET search_path = public, pg_temp AS $$
    SELECT pg_advisory_xact_lock(hashtextextended(least(one, other)::text, greatest(one, other)))
$$;

CREATE FUNCTION tie_allowed() RETURNS trigger
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
    IF EXISTS (SELECT FROM blocks WHERE blocker_id = one AND blocked_id = other)
        OR EXISTS (SELECT FROM blocks WHERE blocker_id = other AND blocked_id = one) THEN
        RETURN NULL; -- no row
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER tie_allowed BEFORE INSERT ON blocks FOR EACH ROW EXECUTE FUNCTION tie_allowed();
CREATE TRIGGER tie_allowed BEFORE INSERT ON follows FOR EACH ROW EXECUTE FUNCTION tie_allowed();
CREATE TRIGGER tie_allowed BEFORE INSERT ON circle_members FOR EACH ROW EXECUTE FUNCTION tie_allowed();

-- A block cuts every tie between the two, also those that only the other side may change.
CREATE FUNCTION blocks_sever() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM follows WHERE follower_id = NEW.blocker_id AND followee_id = NEW.blocked_id;
    DELETE FROM follows WHERE follower_id = NEW.blocked_id AND followee_id = NEW.blocker_id;
    DELETE FROM circle_members WHERE owner_id = NEW.blocker_id AND user_id = NEW.blocked_id;
    DELETE FROM circle_members WHERE owner_id = NEW.blocked_id AND user_id = NEW.blocker_id;
    RETURN NULL;
END $$;
CREATE TRIGGER blocks_sever AFTER INSERT ON blocks FOR EACH ROW EXECUTE FUNCTION blocks_sever();

---------------------------------------------------------------------------------------------------- what the viewer may see

CREATE FUNCTION blocks_viewer(other bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN EXISTS (SELECT FROM public.blocks WHERE blocker_id = other AND blocked_id = public.viewer_id());

-- How viewer and others stand to each other, one row for each id in `others`.
CREATE FUNCTION relations(others bigint[])
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

CREATE FUNCTION post_visible(author bigint, visibility text, circle bigint) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    me bigint := viewer_id();
BEGIN
    IF me IS NULL THEN RETURN false; END IF;
    IF author = me THEN RETURN true; END IF;
    IF visibility = 'private' THEN RETURN false; END IF;
    IF EXISTS (SELECT FROM blocks WHERE blocker_id = me AND blocked_id = author)
        OR EXISTS (SELECT FROM blocks WHERE blocker_id = author AND blocked_id = me) THEN
        RETURN false;
    END IF;
    IF visibility = 'circle' THEN
        RETURN EXISTS (SELECT FROM circle_members WHERE circle_id = circle AND user_id = me);
    END IF;
    IF visibility = 'public' AND EXISTS (SELECT FROM users WHERE id = author AND NOT is_private) THEN
        RETURN true;
    END IF;
    RETURN EXISTS (SELECT FROM follows WHERE follower_id = me AND followee_id = author AND status = 'active');
END $$;

-- Lists that the policies over `follows` would hide from third parties; ids only, the people behind them are then
-- loaded under their own policies. Empty where the viewer may not see the list.
CREATE FUNCTION graph_open(target bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN target = public.viewer_id() OR EXISTS (
        SELECT FROM public.users u
        WHERE u.id = target AND u.status = 'active'
          AND NOT EXISTS (SELECT FROM public.blocks b WHERE b.blocker_id = target AND b.blocked_id = public.viewer_id())
          AND (NOT u.is_private OR EXISTS (
              SELECT FROM public.follows f
              WHERE f.follower_id = public.viewer_id() AND f.followee_id = target AND f.status = 'active')));

CREATE FUNCTION follower_ids(target bigint, before bigint, amount integer)
    RETURNS TABLE (follow_id bigint, user_id bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT id, follower_id FROM follows
    WHERE followee_id = target AND status = 'active' AND id < before AND graph_open(target)
    ORDER BY id DESC LIMIT amount
$$;

CREATE FUNCTION following_ids(target bigint, before bigint, amount integer)
    RETURNS TABLE (follow_id bigint, user_id bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT id, followee_id FROM follows
    WHERE follower_id = target AND status = 'active' AND id < before AND graph_open(target)
    ORDER BY id DESC LIMIT amount
$$;

-- Newest posts of the large authors whom the viewer follows: what fan-out leaves to the read.
CREATE FUNCTION large_author_post_ids(before bigint, amount integer) RETURNS SETOF bigint
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

-- What a lost inbox is rebuilt from: the newest posts of the other people followed, and those that name the viewer.
CREATE FUNCTION inbox_post_ids(amount integer) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT id FROM (
        SELECT p.id
        FROM follows f
        JOIN users u ON u.id = f.followee_id
        CROSS JOIN LATERAL (
            SELECT id FROM posts
            WHERE author_id = f.followee_id AND status = 'published'
              AND (visibility IN ('public', 'followers') AND NOT u.is_large
                   OR visibility = 'circle' AND EXISTS (
                       SELECT FROM circle_members m WHERE m.circle_id = posts.circle_id AND m.user_id = viewer_id()))
            ORDER BY id DESC LIMIT 200) p
        WHERE f.follower_id = viewer_id() AND f.status = 'active'
        UNION
        (SELECT post_id FROM post_mentions WHERE user_id = viewer_id() ORDER BY post_id DESC LIMIT 200)
    ) found
    ORDER BY id DESC LIMIT amount
$$;

---------------------------------------------------------------------------------------------------- before sign-in

CREATE FUNCTION account_for_login(key text) RETURNS TABLE (user_id bigint, password_hash text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT a.user_id, a.password_hash FROM accounts a JOIN users u ON u.id = a.user_id
    WHERE a.email_key = key AND u.status = 'active'
$$;

-- Only for who holds one of the session's refresh tokens, be it an old one.
CREATE FUNCTION session_owner(session_id bigint, family bytea) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN (SELECT s.user_id FROM public.sessions s WHERE s.id = session_id AND s.family_hash = family);

-- Which of a node's sessions are over: what it asks after it may have missed a revocation.
CREATE FUNCTION ended_sessions(ids bigint[]) RETURNS TABLE (session_id bigint, reason text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT s.id, s.revoked_reason FROM sessions s WHERE s.id = ANY (ids) AND s.revoked_at IS NOT NULL
$$;


-- What a node needs to know of people who connect, for many of them at once: one row for each session that is alive.
-- Whom they hide from themselves comes as parallel arrays; blocks hide both ways. The viewer cannot be set for many,
-- so this reads past the policies, but nothing save what belongs to the pairs that are asked for.
CREATE FUNCTION sign_in(asked_sessions bigint[], asked_users bigint[])
    RETURNS TABLE (session_id bigint, id bigint, username text, display_name text, avatar_url text,
                   is_verified boolean, bio text, is_private boolean, follower_count integer, following_count integer,
                   post_count integer, created_at timestamptz, follows boolean, followed_by boolean,
                   requested boolean, blocks boolean, mutes boolean, large_authors bigint[], hidden bigint[], hidden_scopes text[],
                   hidden_until float8[])
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH asked AS (
        SELECT DISTINCT session, person FROM unnest(asked_sessions, asked_users) AS pairs (session, person)
    ), touched AS (
        UPDATE sessions SET last_seen_at = now() WHERE sessions.id IN (
            SELECT s.id FROM sessions s JOIN asked ON asked.session = s.id
            WHERE s.last_seen_at < now() - interval '1 minute' FOR NO KEY UPDATE SKIP LOCKED)
    ), hiding AS (
        SELECT person, blocked_id AS other, 'all' AS scope, NULL::float8 AS until
        FROM blocks JOIN asked ON blocker_id = person
        UNION ALL
        SELECT person, blocker_id, 'all', NULL FROM blocks JOIN asked ON blocked_id = person
        UNION ALL
        SELECT person, muted_id, kind, extract(epoch FROM until)::float8 FROM mutes JOIN asked ON user_id = person
        WHERE kind IN ('all', 'posts') AND (until IS NULL OR until > now())
    ), hidden AS (
        SELECT person, array_agg(other) AS ids, array_agg(scope) AS scopes, array_agg(until) AS untils
        -- Where several hide the same one, the widest and then the longest says what holds.
        FROM (SELECT DISTINCT ON (person, other) * FROM hiding
              ORDER BY person, other, scope = 'all' DESC, until DESC NULLS FIRST) widest
        GROUP BY person
    )
    SELECT s.id, u.id, u.username, u.display_name, u.avatar_url, u.is_verified, u.bio, u.is_private,
           u.follower_count, u.following_count, u.post_count, u.created_at, false, false, false, false, false,
           ARRAY(SELECT f.followee_id FROM follows f JOIN users a ON a.id = f.followee_id
                 WHERE f.follower_id = u.id AND f.status = 'active' AND a.is_large
                   AND NOT f.followee_id = ANY (coalesce(h.ids, '{}'))),
           coalesce(h.ids, '{}'), coalesce(h.scopes, '{}'), coalesce(h.untils, '{}')
    FROM asked
    JOIN sessions s ON s.id = asked.session AND s.user_id = asked.person AND s.revoked_at IS NULL
    JOIN users u ON u.id = s.user_id AND u.status = 'active'
    LEFT JOIN hidden h ON h.person = u.id
$$;

---------------------------------------------------------------------------------------------------- doors

GRANT SELECT ON users, accounts, sessions, follows, blocks, mutes, circles, circle_members, posts, post_mentions,
    idempotency TO daira_app;
GRANT INSERT ON accounts, sessions, follows, blocks, mutes, circles, circle_members, post_mentions, idempotency
    TO daira_app;
GRANT INSERT (id, username, username_key, display_name, is_private) ON users TO daira_app;
GRANT INSERT (id, author_id, text, visibility, circle_id, reply_policy, hashtags, mention_ids) ON posts TO daira_app;
GRANT UPDATE (display_name, bio, avatar_url, is_private) ON users TO daira_app;
GRANT UPDATE (password_hash) ON accounts TO daira_app;
GRANT UPDATE (refresh_hash, previous_hash, rotated_at, last_seen_at, expires_at, ip, user_agent, revoked_at,
    revoked_reason) ON sessions TO daira_app;
GRANT UPDATE (status), DELETE ON follows TO daira_app;
GRANT UPDATE (until), DELETE ON mutes TO daira_app;
GRANT DELETE ON blocks, circles, circle_members, post_mentions TO daira_app;
GRANT UPDATE (name) ON circles TO daira_app;
GRANT UPDATE (request_hash, answer, created_at) ON idempotency TO daira_app;
GRANT UPDATE (text, hashtags, mention_ids, version, edited_at, status, deleted_at) ON posts TO daira_app;
GRANT INSERT ON outbox, audit TO daira_app;

GRANT SELECT ON users, follows, blocks, mutes, circles, circle_members, posts, post_mentions TO daira_worker;
GRANT UPDATE (is_large) ON users TO daira_worker;
GRANT SELECT, UPDATE (sent_batch, sent_at), DELETE ON outbox TO daira_worker;
GRANT SELECT, DELETE ON idempotency TO daira_worker;
GRANT USAGE ON SEQUENCE outbox_batches TO daira_worker;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
GRANT EXECUTE ON FUNCTION viewer_id, sign_in, snowflake_at, blocks_viewer, relations, post_visible, graph_open,
    follower_ids, following_ids, large_author_post_ids, inbox_post_ids, account_for_login, session_owner,
    ended_sessions, outbox_backlog TO daira_app;
GRANT EXECUTE ON FUNCTION viewer_id, snowflake_at, relations, ensure_partitions, outbox_backlog TO daira_worker;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY ['users', 'accounts', 'sessions', 'audit', 'follows', 'blocks', 'mutes', 'circles',
        'circle_members', 'posts', 'post_mentions', 'outbox', 'idempotency'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY ['users', 'follows', 'blocks', 'mutes', 'circles', 'circle_members', 'posts',
        'post_mentions', 'outbox', 'idempotency'] LOOP
        EXECUTE format('CREATE POLICY worker ON %I TO daira_worker USING (true) WITH CHECK (true)', name);
    END LOOP;
END $$;

CREATE POLICY others ON users FOR SELECT TO daira_app
    USING (id = viewer_id() OR (viewer_id() IS NOT NULL AND status = 'active' AND NOT blocks_viewer(id)));
CREATE POLICY self ON users FOR UPDATE TO daira_app USING (id = viewer_id());
CREATE POLICY registered ON users FOR INSERT TO daira_app WITH CHECK (id = viewer_id());
CREATE POLICY self ON accounts TO daira_app USING (user_id = viewer_id());
CREATE POLICY self ON sessions TO daira_app USING (user_id = viewer_id());
CREATE POLICY written ON audit FOR INSERT TO daira_app WITH CHECK (true);

CREATE POLICY party ON follows FOR SELECT TO daira_app USING (viewer_id() IN (follower_id, followee_id));
CREATE POLICY asked ON follows FOR INSERT TO daira_app WITH CHECK (follower_id = viewer_id());
CREATE POLICY accepted ON follows FOR UPDATE TO daira_app USING (followee_id = viewer_id());
CREATE POLICY ended ON follows FOR DELETE TO daira_app USING (viewer_id() IN (follower_id, followee_id));
CREATE POLICY self ON blocks TO daira_app USING (blocker_id = viewer_id());
CREATE POLICY self ON mutes TO daira_app USING (user_id = viewer_id());
CREATE POLICY self ON circles TO daira_app USING (owner_id = viewer_id());
CREATE POLICY self ON circle_members TO daira_app USING (owner_id = viewer_id());

CREATE POLICY visible ON posts FOR SELECT TO daira_app USING (post_visible(author_id, visibility, circle_id));
CREATE POLICY written ON posts FOR INSERT TO daira_app WITH CHECK (author_id = viewer_id());
CREATE POLICY changed ON posts FOR UPDATE TO daira_app USING (author_id = viewer_id());
CREATE POLICY named ON post_mentions FOR SELECT TO daira_app USING (viewer_id() IN (user_id, author_id));
CREATE POLICY written ON post_mentions FOR INSERT TO daira_app WITH CHECK (author_id = viewer_id());
CREATE POLICY withdrawn ON post_mentions FOR DELETE TO daira_app USING (author_id = viewer_id());

CREATE POLICY added ON outbox FOR INSERT TO daira_app WITH CHECK (true);
CREATE POLICY self ON idempotency TO daira_app USING (user_id = viewer_id());
