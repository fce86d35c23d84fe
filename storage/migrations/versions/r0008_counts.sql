-- Counts of posts and comments, and what is counted besides comments and reactions: saves, shares and views.

CREATE FUNCTION may_share(post bigint) RETURNS boolean LANGUAGE sql RETURN NULL::boolean;
CREATE FUNCTION may_view(post bigint) RETURNS boolean LANGUAGE sql RETURN NULL::boolean;

---------------------------------------------------------------------------------------------------- shares

-- A share is a post of its own. One of another share points to the original.
ALTER TABLE posts ADD shared_post_id bigint, ADD counts_version bigint NOT NULL DEFAULT 0;
CREATE INDEX posts_shares ON posts (shared_post_id, author_id) WHERE shared_post_id IS NOT NULL AND status = 'published';

GRANT INSERT (shared_post_id) ON posts TO daira_app;
CREATE POLICY shared ON posts AS RESTRICTIVE FOR INSERT TO daira_app
    WITH CHECK (shared_post_id IS NULL OR visibility = 'public' AND may_share(shared_post_id));

DROP FUNCTION IF EXISTS feed_candidates(bigint[], integer); -- its result changes

---------------------------------------------------------------------------------------------------- saves

CREATE TABLE collections (
    id         bigint PRIMARY KEY,
    owner_id   bigint NOT NULL REFERENCES users,
    name       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX collections_of_owner ON collections (owner_id, id DESC);
CREATE TRIGGER most_collections AFTER INSERT ON collections REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION bounded('owner_id', '100', 'true', 'nobody has more than %s collections');

CREATE TABLE saves (
    id            bigint NOT NULL,                  -- pages the lists, newest first
    user_id       bigint NOT NULL REFERENCES users,
    post_id       bigint NOT NULL,
    collection_id bigint REFERENCES collections ON DELETE SET NULL,
    PRIMARY KEY (post_id, user_id)
);
CREATE INDEX saves_of_user ON saves (user_id, id DESC);
CREATE INDEX saves_of_collection ON saves (collection_id, id DESC) WHERE collection_id IS NOT NULL;

---------------------------------------------------------------------------------------------------- views

-- One row for each user and day, until the post has 1,000: then its rows move into a sketch.
CREATE TABLE views (
    post_id bigint NOT NULL,
    user_id bigint NOT NULL REFERENCES users,
    day     date NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')::date,
    PRIMARY KEY (post_id, user_id, day)
);

-- Posts whose views are counted by a HyperLogLog.
CREATE TABLE view_sketches (
    post_id bigint PRIMARY KEY,
    sketch  bytea,                                  -- as Redis keeps it; null: no rows have been moved yet
    counted integer NOT NULL,                       -- never becomes less
    is_due  boolean NOT NULL                        -- there may be rows to move
);
CREATE INDEX view_sketches_due ON view_sketches (post_id) WHERE is_due;

---------------------------------------------------------------------------------------------------- changes

-- What triggers have noted and workers have not yet folded into the counts.
CREATE TABLE count_changes (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target_type text NOT NULL CHECK (target_type IN ('post', 'comment')),
    target_id   bigint NOT NULL,
    field       text NOT NULL,                      -- a kind of reaction, or comments, replies, shares, saves, views
    delta       bigint NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

-- What the counts of a viewer are less by: comments of hidden users on a page of posts.
CREATE INDEX comments_by_author ON comments (author_id, post_id) WHERE status = 'published';

-- Targets whose new counts have not been pushed yet.
CREATE TABLE counts_unpushed (
    target_type text NOT NULL,
    target_id   bigint NOT NULL,
    PRIMARY KEY (target_type, target_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

CREATE FUNCTION reactions_changed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION comments_changed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION shares_changed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION saves_changed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION views_changed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';

CREATE TRIGGER reactions_changed AFTER INSERT OR UPDATE OF kind OR DELETE ON reactions
    FOR EACH ROW EXECUTE FUNCTION reactions_changed();
CREATE TRIGGER comments_changed AFTER INSERT OR UPDATE OF status ON comments
    FOR EACH ROW EXECUTE FUNCTION comments_changed();
CREATE TRIGGER shares_changed AFTER INSERT OR UPDATE OF status ON posts
    FOR EACH ROW WHEN (NEW.shared_post_id IS NOT NULL) EXECUTE FUNCTION shares_changed();
CREATE TRIGGER saves_changed AFTER INSERT OR DELETE ON saves FOR EACH ROW EXECUTE FUNCTION saves_changed();
-- For a statement, because a report has up to 100 views. Rows that move into a sketch stay counted.
CREATE TRIGGER views_changed AFTER INSERT ON views REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION views_changed();

---------------------------------------------------------------------------------------------------- doors

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY ['collections', 'saves', 'views', 'view_sketches', 'count_changes', 'counts_unpushed'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    END LOOP;
END $$;

GRANT SELECT, INSERT (id, owner_id, name), UPDATE (name), DELETE ON collections TO daira_app;
GRANT SELECT, INSERT (id, user_id, post_id, collection_id), UPDATE (collection_id), DELETE ON saves TO daira_app;
GRANT INSERT (post_id, user_id) ON views TO daira_app;
GRANT SELECT ON saves TO daira_worker;
GRANT SELECT, DELETE ON views TO daira_worker;
GRANT SELECT, UPDATE (is_due) ON view_sketches TO daira_worker;
GRANT SELECT, DELETE ON counts_unpushed TO daira_worker;

CREATE POLICY self ON collections TO daira_app USING (owner_id = viewer_id()) WITH CHECK (owner_id = viewer_id());

-- Users may take back a save of what they no longer see.
CREATE POLICY self ON saves FOR SELECT TO daira_app USING (user_id = viewer_id());
CREATE POLICY added ON saves FOR INSERT TO daira_app WITH CHECK (user_id = viewer_id() AND sees_post(post_id) AND (
    collection_id IS NULL OR EXISTS (SELECT FROM collections c WHERE c.id = collection_id AND c.owner_id = viewer_id())));
CREATE POLICY moved ON saves FOR UPDATE TO daira_app USING (user_id = viewer_id()) WITH CHECK (user_id = viewer_id() AND (
    collection_id IS NULL OR EXISTS (SELECT FROM collections c WHERE c.id = collection_id AND c.owner_id = viewer_id())));
CREATE POLICY removed ON saves FOR DELETE TO daira_app USING (user_id = viewer_id());

CREATE POLICY reported ON views FOR INSERT TO daira_app WITH CHECK (user_id = viewer_id() AND may_view(post_id));

CREATE POLICY worker_reads ON saves FOR SELECT TO daira_worker USING (true);
CREATE POLICY worker_reads ON views FOR SELECT TO daira_worker USING (true);
-- Rows only move into a sketch.
CREATE POLICY worker_deletes ON views FOR DELETE TO daira_worker
    USING (EXISTS (SELECT FROM view_sketches s WHERE s.post_id = views.post_id));
CREATE POLICY worker_reads ON view_sketches FOR SELECT TO daira_worker USING (true);
CREATE POLICY worker_changes ON view_sketches FOR UPDATE TO daira_worker USING (true) WITH CHECK (true);
CREATE POLICY worker_reads ON counts_unpushed FOR SELECT TO daira_worker USING (true);
CREATE POLICY worker_deletes ON counts_unpushed FOR DELETE TO daira_worker USING (true);
