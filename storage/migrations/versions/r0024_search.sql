-- What search finds, by terms. Workers write it from the event log. `place` counts documents in the order in which they
-- were first written, without large gaps.
--
-- `slices` are numbers that the index holds beside the terms, so that a query reads a part of the documents whose size
-- is known: level << 28 | place / (1000 << 3 * level), and 7 << 28 | weight / 3. Documents lie in the order of their
-- places, so GIN skips to a slice within the list of a frequent term.
CREATE TABLE search_documents (
    kind   text NOT NULL,
    id     bigint NOT NULL,
    place  bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    weight smallint NOT NULL DEFAULT 0 CHECK (weight BETWEEN 0 AND 63),
    terms  tsvector NOT NULL,
    title  text NOT NULL DEFAULT '',
    slices integer[] NOT NULL GENERATED ALWAYS AS (ARRAY [
        (place / 1000)::integer, 1 << 28 | (place / 8000)::integer, 2 << 28 | (place / 64000)::integer,
        3 << 28 | (place / 512000)::integer, 4 << 28 | (place / 4096000)::integer, 7 << 28 | (weight / 3)::integer
    ]) STORED,
    PRIMARY KEY (kind, id)
) PARTITION BY LIST (kind);
CREATE TABLE search_posts PARTITION OF search_documents FOR VALUES IN ('post');
CREATE TABLE search_users PARTITION OF search_documents FOR VALUES IN ('user');
CREATE TABLE search_hashtags PARTITION OF search_documents FOR VALUES IN ('hashtag');
CREATE TABLE search_rooms PARTITION OF search_documents FOR VALUES IN ('room');
CREATE TABLE search_words PARTITION OF search_documents FOR VALUES IN ('word');
-- Searches read the entries that are not merged yet one by one: at most 256 kB of them.
CREATE INDEX search_documents_terms ON search_documents USING gin (terms, slices) WITH (gin_pending_list_limit = 256);
CREATE INDEX search_documents_place ON search_documents (place);

-- Uses of hashtags and words in posts. A word is suggested once 20 people have written it where everybody may read it.
CREATE TABLE search_uses (
    id         bigint PRIMARY KEY,
    shown      text NOT NULL,
    uses       bigint NOT NULL DEFAULT 1,
    author_ids bigint[] NOT NULL CHECK (cardinality(author_ids) BETWEEN 1 AND 20)  -- the first 20 people
) WITH (fillfactor = 70);

CREATE TABLE recent_searches (
    user_id     bigint NOT NULL REFERENCES users,
    folded      text NOT NULL CHECK (length(folded) BETWEEN 1 AND 1000),
    q           text NOT NULL CHECK (length(q) BETWEEN 1 AND 200),
    searched_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, folded)
);
CREATE INDEX recent_searches_newest ON recent_searches (user_id, searched_at DESC);

-- A user or a room is to be found differently: an event tells. Posts have events of their own.
CREATE FUNCTION search_due() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER search_due_by_insert AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION search_due('user');
CREATE TRIGGER search_due_by_update AFTER UPDATE OF username, display_name, status ON users FOR EACH ROW
    WHEN ((OLD.username, OLD.display_name, OLD.status) IS DISTINCT FROM (NEW.username, NEW.display_name, NEW.status))
    EXECUTE FUNCTION search_due('user');
CREATE TRIGGER search_due_by_insert AFTER INSERT ON rooms FOR EACH ROW EXECUTE FUNCTION search_due('room');
CREATE TRIGGER search_due_by_update AFTER UPDATE OF topic, state ON rooms FOR EACH ROW
    WHEN ((OLD.topic, OLD.state) IS DISTINCT FROM (NEW.topic, NEW.state)) EXECUTE FUNCTION search_due('room');

---------------------------------------------------------------------------------------------------- rights

ALTER TABLE search_documents ENABLE ROW LEVEL SECURITY;
ALTER TABLE search_uses ENABLE ROW LEVEL SECURITY;
ALTER TABLE recent_searches ENABLE ROW LEVEL SECURITY;

-- Viewers search through functions, which return ids alone; whether they may see what these name is decided after it.
GRANT SELECT, INSERT (kind, id, weight, terms, title), UPDATE (weight, terms, title), DELETE ON search_documents
    TO daira_worker;
GRANT SELECT, INSERT (id, shown, uses, author_ids), UPDATE (uses, author_ids) ON search_uses TO daira_worker;
CREATE POLICY worker_reads ON search_documents FOR SELECT TO daira_worker USING (true);
CREATE POLICY worker_adds ON search_documents FOR INSERT TO daira_worker WITH CHECK (
    CASE kind WHEN 'post' THEN EXISTS (SELECT FROM posts p WHERE p.id = search_documents.id)
              WHEN 'user' THEN EXISTS (SELECT FROM users u WHERE u.id = search_documents.id)
              WHEN 'room' THEN EXISTS (SELECT FROM rooms r WHERE r.id = search_documents.id)
              ELSE EXISTS (SELECT FROM search_uses s WHERE s.id = search_documents.id) END);
CREATE POLICY worker_changes ON search_documents FOR UPDATE TO daira_worker USING (true) WITH CHECK (true);
CREATE POLICY worker_deletes ON search_documents FOR DELETE TO daira_worker USING (true);
CREATE POLICY worker_reads ON search_uses FOR SELECT TO daira_worker USING (true);
CREATE POLICY worker_adds ON search_uses FOR INSERT TO daira_worker WITH CHECK (uses > 0);
CREATE POLICY worker_changes ON search_uses FOR UPDATE TO daira_worker USING (true) WITH CHECK (true);

GRANT SELECT, INSERT (user_id, folded, q), UPDATE (q, searched_at), DELETE ON recent_searches TO daira_app;
CREATE POLICY self ON recent_searches TO daira_app
    USING (user_id = viewer_id()) WITH CHECK (user_id = viewer_id());
