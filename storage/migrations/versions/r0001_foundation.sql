-- Roles: daira_app serves calls and sees what the viewer may see; daira_worker reacts to events and sees all rows that
-- it needs. Neither owns anything. Row security denies everything that no policy allows.

GRANT USAGE ON SCHEMA public TO daira_app, daira_worker;

-- Policies and triggers need these functions to exist. storage/functions/ has their text, which each migration applies
-- after all revisions.
CREATE FUNCTION viewer_id() RETURNS bigint LANGUAGE sql RETURN NULL::bigint;
CREATE FUNCTION blocks_viewer(other bigint) RETURNS boolean LANGUAGE sql RETURN NULL::boolean;
CREATE FUNCTION post_visible(author bigint, visibility text, circle bigint) RETURNS boolean
    LANGUAGE sql RETURN NULL::boolean;
CREATE FUNCTION follows_counted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION posts_counted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION tie_allowed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION blocks_sever() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';

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

-- Users mentioned in a post: it belongs into their feeds, also when these are rebuilt.
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
    sent_batch bigint,                              -- the append that sent it; null: not sent
    sent_at    timestamptz
);
CREATE INDEX outbox_unsent ON outbox (id) WHERE sent_batch IS NULL;
CREATE INDEX outbox_sent ON outbox (sent_batch) WHERE sent_batch IS NOT NULL;
CREATE INDEX outbox_sent_at ON outbox (sent_at) WHERE sent_at IS NOT NULL;
CREATE SEQUENCE outbox_batches;

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

CREATE TABLE posts_default PARTITION OF posts DEFAULT;
CREATE TABLE audit_default PARTITION OF audit DEFAULT;

---------------------------------------------------------------------------------------------------- triggers

CREATE TRIGGER follows_counted AFTER INSERT OR UPDATE OR DELETE ON follows
    FOR EACH ROW EXECUTE FUNCTION follows_counted();
CREATE TRIGGER posts_counted AFTER INSERT OR UPDATE OF status ON posts
    FOR EACH ROW EXECUTE FUNCTION posts_counted();
CREATE TRIGGER tie_allowed BEFORE INSERT ON blocks FOR EACH ROW EXECUTE FUNCTION tie_allowed();
CREATE TRIGGER tie_allowed BEFORE INSERT ON follows FOR EACH ROW EXECUTE FUNCTION tie_allowed();
CREATE TRIGGER tie_allowed BEFORE INSERT ON circle_members FOR EACH ROW EXECUTE FUNCTION tie_allowed();
CREATE TRIGGER blocks_sever AFTER INSERT ON blocks FOR EACH ROW EXECUTE FUNCTION blocks_sever();

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
