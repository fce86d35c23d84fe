-- What ranked feeds learn from.

---------------------------------------------------------------------------------------------------- posts

-- `topics` are written with the text; workers write the others, which are the same for all viewers.
ALTER TABLE posts
    ADD topics      text[] NOT NULL DEFAULT '{}',    -- the words of the text, as they are compared
    ADD quality     real NOT NULL DEFAULT 0.5,       -- 0 to 1
    ADD looks       integer NOT NULL DEFAULT 0,      -- views that say how long; one for each user and day
    ADD watched     real NOT NULL DEFAULT 0,         -- sum over these, 1 for each that took 10 s or longer
    ADD completions integer NOT NULL DEFAULT 0;      -- those that were long enough to read or watch the whole

GRANT INSERT (topics), UPDATE (topics) ON posts TO daira_app;

---------------------------------------------------------------------------------------------------- affinities

-- How much a user cares for another. Both numbers are those of `as_of`; since then they have halved every 14 days.
CREATE TABLE affinities (
    user_id  bigint NOT NULL REFERENCES users,
    other_id bigint NOT NULL REFERENCES users,
    points   double precision NOT NULL,
    skips    double precision NOT NULL,             -- posts that the user only glanced at
    as_of    timestamptz NOT NULL,
    PRIMARY KEY (user_id, other_id)
);
CREATE INDEX affinities_age ON affinities (as_of);

-- What users did, which workers have not yet folded into affinities and into the quality of posts.
CREATE TABLE affinity_changes (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id     bigint NOT NULL,
    target_type text NOT NULL CHECK (target_type IN ('user', 'post', 'comment')),
    target_id   bigint NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('follow', 'reaction', 'comment', 'save', 'share', 'visit', 'view')),
    amount      double precision NOT NULL,          -- 1, or -1 if taken back; of a view, its milliseconds
    is_first    boolean NOT NULL DEFAULT false,     -- view of this post by this user on this day
    created_at  timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

CREATE FUNCTION affinity_noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER affinity_noted AFTER INSERT OR DELETE ON reactions FOR EACH ROW EXECUTE FUNCTION affinity_noted('reaction');
CREATE TRIGGER affinity_noted AFTER INSERT OR UPDATE OF status ON comments
    FOR EACH ROW EXECUTE FUNCTION affinity_noted('comment');
CREATE TRIGGER affinity_noted AFTER INSERT OR DELETE ON saves FOR EACH ROW EXECUTE FUNCTION affinity_noted('save');
CREATE TRIGGER affinity_noted AFTER INSERT OR UPDATE OF status ON posts
    FOR EACH ROW WHEN (NEW.shared_post_id IS NOT NULL) EXECUTE FUNCTION affinity_noted('share');
CREATE TRIGGER affinity_noted AFTER INSERT OR UPDATE OF status OR DELETE ON follows
    FOR EACH ROW EXECUTE FUNCTION affinity_noted('follow');

---------------------------------------------------------------------------------------------------- hidden posts

CREATE TABLE feed_hides (
    user_id    bigint NOT NULL REFERENCES users,
    post_id    bigint NOT NULL,                     -- the original, if a share was hidden
    author_id  bigint NOT NULL,
    reason     text NOT NULL CHECK (reason IN ('not_interested', 'seen_too_often', 'topic', 'author', 'spam')),
    topics     text[] NOT NULL,                     -- of the post: its hashtags with their #; without these, its words
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, post_id)
);
CREATE INDEX feed_hides_of_author ON feed_hides (author_id, created_at);

---------------------------------------------------------------------------------------------------- rights

-- Only functions write affinities and hidden posts.
ALTER TABLE affinities ENABLE ROW LEVEL SECURITY;
ALTER TABLE affinity_changes ENABLE ROW LEVEL SECURITY;
ALTER TABLE feed_hides ENABLE ROW LEVEL SECURITY;

GRANT INSERT (user_id, target_type, target_id, kind, amount, is_first) ON affinity_changes TO daira_app;
GRANT SELECT ON feed_hides TO daira_app;
GRANT SELECT (post_id, user_id) ON views TO daira_app; -- a report learns which of its views are the first of the day

CREATE POLICY viewed ON affinity_changes FOR INSERT TO daira_app
    WITH CHECK (user_id = viewer_id() AND kind = 'view' AND target_type = 'post' AND amount >= 0 AND may_view(target_id));
CREATE POLICY self ON views FOR SELECT TO daira_app USING (user_id = viewer_id());
CREATE POLICY self ON feed_hides FOR SELECT TO daira_app USING (user_id = viewer_id());
