-- Comments and reactions.

CREATE FUNCTION sees_post(post bigint) RETURNS boolean LANGUAGE sql RETURN NULL::boolean;
CREATE FUNCTION sees_user(other bigint) RETURNS boolean LANGUAGE sql RETURN NULL::boolean;
CREATE FUNCTION admits_mention(target bigint) RETURNS boolean LANGUAGE sql RETURN NULL::boolean;
CREATE FUNCTION may_comment(post bigint, parent bigint) RETURNS boolean LANGUAGE sql RETURN NULL::boolean;
CREATE FUNCTION comments_placed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION target_post(target_type text, target_id bigint) RETURNS bigint LANGUAGE sql RETURN NULL::bigint;
CREATE FUNCTION may_tell_of_comment(topic text, key text, event jsonb) RETURNS boolean LANGUAGE sql RETURN NULL::boolean;
CREATE FUNCTION may_tell_of_reaction(topic text, key text, event jsonb) RETURNS boolean LANGUAGE sql RETURN NULL::boolean;

---------------------------------------------------------------------------------------------------- comments

CREATE TABLE comments (
    id             bigint PRIMARY KEY,
    post_id        bigint NOT NULL,
    parent_id      bigint,                          -- null: a reply to the post itself
    path           bigint[] NOT NULL,               -- ids of the ancestors, oldest first, and its own
    depth          integer NOT NULL,                -- 0 for a reply to the post itself
    author_id      bigint NOT NULL REFERENCES users,
    text           text NOT NULL,
    mention_ids    bigint[] NOT NULL DEFAULT '{}',
    status         text NOT NULL DEFAULT 'published' CHECK (status IN ('published', 'deleted')),
    reply_count    integer NOT NULL DEFAULT 0,      -- these three are written by workers
    reactions      jsonb NOT NULL DEFAULT '{}',
    counts_version bigint NOT NULL DEFAULT 0,
    edited_at      timestamptz,
    deleted_at     timestamptz,
    CHECK (depth = cardinality(path) - 1),
    CHECK (depth < 200)                             -- a longer path does not fit into a row of its index
);
CREATE INDEX comments_in_order ON comments (post_id, path);
CREATE INDEX comments_of_post ON comments (post_id, id DESC) WHERE parent_id IS NULL;
CREATE INDEX comments_of_comment ON comments (parent_id, id) WHERE parent_id IS NOT NULL;

-- Sets path and depth. Inserts no row for a parent that is deleted or belongs to another post.
CREATE TRIGGER comments_placed BEFORE INSERT ON comments FOR EACH ROW EXECUTE FUNCTION comments_placed();

---------------------------------------------------------------------------------------------------- reactions

CREATE TABLE reactions (
    target_type text NOT NULL CHECK (target_type IN ('post', 'comment')),
    target_id   bigint NOT NULL,
    user_id     bigint NOT NULL REFERENCES users,
    kind        text NOT NULL CHECK (kind IN ('like', 'love', 'laugh', 'sad', 'angry')),
    id          bigint NOT NULL,                    -- minted when the kind was set; pages the lists, newest first
    PRIMARY KEY (target_type, target_id, user_id) INCLUDE (kind) -- a user's own needs no other index
);
CREATE INDEX reactions_of_target ON reactions (target_type, target_id, kind, id DESC) INCLUDE (user_id);

---------------------------------------------------------------------------------------------------- doors

ALTER TABLE comments ENABLE ROW LEVEL SECURITY;
ALTER TABLE reactions ENABLE ROW LEVEL SECURITY;

GRANT SELECT, INSERT (id, post_id, parent_id, author_id, text, mention_ids), UPDATE (text, mention_ids, edited_at)
    ON comments TO daira_app;
GRANT SELECT, INSERT (target_type, target_id, user_id, kind, id), UPDATE (kind, id), DELETE ON reactions TO daira_app;
GRANT SELECT, UPDATE (reply_count, reactions, counts_version) ON comments TO daira_worker;
GRANT SELECT ON reactions TO daira_worker;

-- A comment is deleted by `delete_comment`, because the author of the post may do that too, and nothing else.
CREATE POLICY visible ON comments FOR SELECT TO daira_app
    USING (status = 'published' AND sees_post(post_id) AND sees_user(author_id));
CREATE POLICY written ON comments FOR INSERT TO daira_app
    WITH CHECK (author_id = viewer_id() AND may_comment(post_id, parent_id)
        AND NOT EXISTS (SELECT FROM unnest(mention_ids) AS named (id) WHERE NOT admits_mention(named.id)));
CREATE POLICY changed ON comments FOR UPDATE TO daira_app
    USING (author_id = viewer_id() AND status = 'published' AND sees_post(post_id))
    WITH CHECK (author_id = viewer_id()
        AND NOT EXISTS (SELECT FROM unnest(mention_ids) AS named (id) WHERE NOT admits_mention(named.id)));
CREATE POLICY worker_reads ON comments FOR SELECT TO daira_worker USING (true);
CREATE POLICY worker_changes ON comments FOR UPDATE TO daira_worker USING (true) WITH CHECK (true);

-- Users may withdraw their own reaction from what they no longer see.
CREATE POLICY visible ON reactions FOR SELECT TO daira_app USING (user_id = viewer_id()
    OR target_post(target_type, target_id) IS NOT NULL AND sees_user(user_id));
CREATE POLICY given ON reactions FOR INSERT TO daira_app
    WITH CHECK (user_id = viewer_id() AND target_post(target_type, target_id) IS NOT NULL);
CREATE POLICY changed ON reactions FOR UPDATE TO daira_app USING (user_id = viewer_id())
    WITH CHECK (user_id = viewer_id() AND target_post(target_type, target_id) IS NOT NULL);
CREATE POLICY withdrawn ON reactions FOR DELETE TO daira_app USING (user_id = viewer_id());
CREATE POLICY worker_reads ON reactions FOR SELECT TO daira_worker USING (true);

CREATE POLICY of_comments ON outbox FOR INSERT TO daira_app
    WITH CHECK (topic LIKE 'comment.%' AND may_tell_of_comment(topic, key, convert_from(payload, 'UTF8')::jsonb));
CREATE POLICY of_reactions ON outbox FOR INSERT TO daira_app
    WITH CHECK (topic LIKE 'reaction.%' AND may_tell_of_reaction(topic, key, convert_from(payload, 'UTF8')::jsonb));

---------------------------------------------------------------------------------------------------- mentions in posts

DROP POLICY written ON posts;
DROP POLICY changed ON posts;
CREATE POLICY written ON posts FOR INSERT TO daira_app WITH CHECK (author_id = viewer_id()
    AND (circle_id IS NULL OR EXISTS (SELECT FROM circles c WHERE c.id = circle_id AND c.owner_id = viewer_id()))
    AND NOT EXISTS (SELECT FROM unnest(mention_ids) AS named (id) WHERE NOT admits_mention(named.id)));
-- A post can be deleted whomever it mentions.
CREATE POLICY changed ON posts FOR UPDATE TO daira_app
    USING (author_id = viewer_id() AND status = 'published')
    WITH CHECK (author_id = viewer_id() AND (status = 'deleted') = (deleted_at IS NOT NULL) AND (status = 'deleted'
        OR NOT EXISTS (SELECT FROM unnest(mention_ids) AS named (id) WHERE NOT admits_mention(named.id))));
