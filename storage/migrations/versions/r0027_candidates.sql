-- Candidates for ranked feeds from beyond the inbox. Users read these tables only through functions.

---------------------------------------------------------------------------------------------------- vectors of users

-- What users like, as 128 numbers: users whose vectors are close engage with the same posts. Posts have vectors in the
-- schema `vectors`, which exists only beside the extension of that name: see `ensure_vectors`.
CREATE TABLE user_vectors (
    user_id   bigint PRIMARY KEY REFERENCES users,
    vector    real[] NOT NULL CHECK (cardinality(vector) = 128),
    learnt_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX user_vectors_age ON user_vectors (learnt_at);

---------------------------------------------------------------------------------------------------- exploration

-- Posts with few views, in random order; places have no gaps.
CREATE TABLE posts_to_explore (
    place   integer PRIMARY KEY,
    post_id bigint NOT NULL
);

---------------------------------------------------------------------------------------------------- exposures

-- Posts that ranked feeds have shown: all explorations, and some pages whole. Its partitions are dropped when they are
-- old.
CREATE TABLE feed_exposures (
    id         bigint PRIMARY KEY,                  -- minted when it was logged, within seconds
    user_id    bigint NOT NULL,
    post_id    bigint NOT NULL,
    place      integer NOT NULL,                    -- in the feed, from 0
    source     text NOT NULL,
    propensity real,                                -- the probability with which the exploration chose the post
    is_of_whole boolean NOT NULL                    -- all other posts of the page are here too
) PARTITION BY RANGE (id);
CREATE TABLE feed_exposures_default PARTITION OF feed_exposures DEFAULT;

---------------------------------------------------------------------------------------------------- doors

ALTER TABLE user_vectors ENABLE ROW LEVEL SECURITY;
ALTER TABLE posts_to_explore ENABLE ROW LEVEL SECURITY;
ALTER TABLE feed_exposures ENABLE ROW LEVEL SECURITY;

GRANT SELECT ON user_vectors, feed_exposures TO daira_worker;

CREATE POLICY worker_reads ON user_vectors FOR SELECT TO daira_worker USING (true);
CREATE POLICY worker_reads ON feed_exposures FOR SELECT TO daira_worker USING (true);
