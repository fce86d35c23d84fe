-- Rules before publishing: the rulebook of expressions and term lists, what they hit, and prints of published texts.
-- Functions alone write these tables (storage/functions/rules.sql).

-- The number of the last change. Nodes compare it with that of the book that they have loaded.
CREATE TABLE rulebook (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    version bigint NOT NULL
);
INSERT INTO rulebook (version) VALUES (1);

-- A row for each version of a rule; versions never change but for being in force or not. The newest is the highest.
CREATE TABLE rules (
    id         bigint NOT NULL,
    version    integer NOT NULL,
    name       text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    surfaces   text[] NOT NULL CHECK (
        cardinality(surfaces) > 0 AND surfaces <@ ARRAY ['post', 'comment', 'message', 'profile', 'room']),
    expression text NOT NULL CHECK (char_length(expression) <= 1000),
    outcome    text NOT NULL CHECK (outcome IN ('allow', 'hold', 'require_change', 'refuse')),
    reason     text NOT NULL CHECK (reason IN (
        'spam', 'harassment', 'hate', 'violence', 'sexual', 'self_harm', 'minors', 'scam', 'impersonation',
        'private_information', 'copyright', 'illegal', 'other')),
    message    text NOT NULL CHECK (char_length(message) <= 300), -- tells users what to change
    saved_by   bigint NOT NULL REFERENCES users,
    saved_at   timestamptz NOT NULL DEFAULT now(),
    is_enabled boolean NOT NULL DEFAULT false,
    enabled_by bigint REFERENCES users,                -- the last one who did
    enabled_at timestamptz,
    PRIMARY KEY (id, version)
);
CREATE UNIQUE INDEX rules_enabled ON rules (id) WHERE is_enabled;

CREATE TABLE term_lists (
    id       bigint PRIMARY KEY,
    name     text NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9_]{0,39}$'),
    match    text NOT NULL CHECK (match IN ('word', 'inside', 'sound')),
    version  integer NOT NULL,
    saved_by bigint NOT NULL REFERENCES users,
    saved_at timestamptz NOT NULL DEFAULT now()
);

-- The terms of all versions of a list. `until`: the version without it; null while it is in the list.
CREATE TABLE terms (
    list_id bigint NOT NULL REFERENCES term_lists,
    term    text NOT NULL CHECK (char_length(term) BETWEEN 1 AND 100),
    since   integer NOT NULL,
    until   integer,
    PRIMARY KEY (list_id, term, since)
);
CREATE UNIQUE INDEX terms_in_force ON terms (list_id, term) WHERE until IS NULL;

-- Verdicts of rules, kept for 30 days. target_id: null for what was refused, and for what rules do not name.
CREATE TABLE rule_hits (
    id           bigint PRIMARY KEY,
    rule_id      bigint NOT NULL,
    rule_version integer NOT NULL,
    surface      text NOT NULL,
    outcome      text NOT NULL,                        -- of all rules together
    user_id      bigint NOT NULL,
    target_id    bigint
);
CREATE INDEX rule_hits_of_rule ON rule_hits (rule_id, id DESC);
CREATE INDEX rule_hits_of_user ON rule_hits (user_id);

-- Texts of the last 24 hours. id: of the post or comment, or of its own for other texts. print: of the folded
-- text, by which repeated texts are noticed; null if there is too little of it.
CREATE TABLE text_prints (
    id      bigint PRIMARY KEY,
    surface text NOT NULL CHECK (surface IN ('post', 'comment', 'message', 'profile', 'room')),
    print   bigint,
    user_id bigint NOT NULL
);
CREATE INDEX text_prints_same ON text_prints (print, id) WHERE print IS NOT NULL;
CREATE INDEX text_prints_of_user ON text_prints (user_id, id);

---------------------------------------------------------------------------------------------------- doors

ALTER TABLE rulebook ENABLE ROW LEVEL SECURITY;
ALTER TABLE rules ENABLE ROW LEVEL SECURITY;
ALTER TABLE term_lists ENABLE ROW LEVEL SECURITY;
ALTER TABLE terms ENABLE ROW LEVEL SECURITY;
ALTER TABLE rule_hits ENABLE ROW LEVEL SECURITY;
ALTER TABLE text_prints ENABLE ROW LEVEL SECURITY;

GRANT SELECT ON rulebook, rules, term_lists, terms, rule_hits TO daira_app;
GRANT SELECT ON rulebook, rules, term_lists, terms TO daira_worker;

-- Nodes load the book without a viewer.
CREATE POLICY followed ON rulebook FOR SELECT TO daira_app USING (viewer_id() IS NULL OR viewer_is_moderator());
CREATE POLICY followed ON rules FOR SELECT TO daira_app USING (viewer_id() IS NULL OR viewer_is_moderator());
CREATE POLICY followed ON term_lists FOR SELECT TO daira_app USING (viewer_id() IS NULL OR viewer_is_moderator());
CREATE POLICY followed ON terms FOR SELECT TO daira_app USING (viewer_id() IS NULL OR viewer_is_moderator());
CREATE POLICY judged ON rule_hits FOR SELECT TO daira_app USING (viewer_is_moderator());
CREATE POLICY worker_reads ON rulebook FOR SELECT TO daira_worker USING (true);
CREATE POLICY worker_reads ON rules FOR SELECT TO daira_worker USING (true);
CREATE POLICY worker_reads ON term_lists FOR SELECT TO daira_worker USING (true);
CREATE POLICY worker_reads ON terms FOR SELECT TO daira_worker USING (true);
