-- Reports and cases. A target is a type and an id; a chat message is the one with the number `target_seq` in the chat
-- `target_id`, and `target_seq` is 0 otherwise. Functions alone write these tables (storage/functions/cases.sql and
-- reports.sql).

CREATE FUNCTION viewer_is_moderator() RETURNS boolean LANGUAGE sql RETURN NULL::boolean;
CREATE FUNCTION viewer_is_admin() RETURNS boolean LANGUAGE sql RETURN NULL::boolean;
CREATE FUNCTION role_changed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';

-- A user who loses the role of a moderator must sign in again, so sockets leave the moderators' channel.
CREATE TRIGGER role_changed AFTER UPDATE OF role ON users
    FOR EACH ROW WHEN (OLD.role <> NEW.role) EXECUTE FUNCTION role_changed();

---------------------------------------------------------------------------------------------------- cases

CREATE TABLE cases (
    id            bigint PRIMARY KEY,
    target_type   text NOT NULL CHECK (target_type IN ('post', 'comment', 'message', 'media', 'room', 'user')),
    target_id     bigint NOT NULL,
    target_seq    integer NOT NULL DEFAULT 0,
    owner_id      bigint NOT NULL REFERENCES users, -- the author, the host of a room, or the user
    status        text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'decided')),
    source        text NOT NULL CHECK (source IN ('report', 'rule', 'classifier', 'appeal')),
    reason        text NOT NULL CHECK (reason IN (
        'spam', 'harassment', 'hate', 'violence', 'sexual', 'self_harm', 'minors', 'scam', 'impersonation',
        'private_information', 'copyright', 'illegal', 'other')), -- the gravest one
    severity      smallint NOT NULL CHECK (severity BETWEEN 0 AND 4),
    report_count  integer NOT NULL DEFAULT 0,       -- of reports that were not retracted; workers count them
    report_weight real NOT NULL DEFAULT 0,          -- the sum of their weights
    priority      integer NOT NULL GENERATED ALWAYS AS
        (severity * 1000000 + least(999999, round(report_weight * 1000)::integer)) STORED,
    snapshot      jsonb NOT NULL,                   -- what the target was when it was reported, or has changed since
    content_hash  bytea NOT NULL,                   -- SHA-256 of `snapshot`
    is_private    boolean NOT NULL,                 -- not everybody may see it: each view is audited
    barred_ids    bigint[] NOT NULL DEFAULT '{}',   -- moderators who may not decide: an appeal is not for its first judge
    due_at        timestamptz,                      -- when it shall be decided
    claimed_by    bigint REFERENCES users,
    claimed_until timestamptz,
    opened_at     timestamptz NOT NULL DEFAULT now(),
    decided_at    timestamptz,
    decided_by    bigint REFERENCES users,
    action        text,                             -- of the decision
    CHECK ((target_type = 'message') = (target_seq > 0)),
    CHECK ((claimed_by IS NULL) = (claimed_until IS NULL)),
    CHECK ((status = 'decided') = (decided_at IS NOT NULL) AND (status = 'decided') = (action IS NOT NULL))
);
CREATE UNIQUE INDEX cases_open ON cases (target_type, target_id, target_seq) WHERE status = 'open';
CREATE INDEX cases_of_target ON cases (target_type, target_id, target_seq, id DESC);
CREATE INDEX cases_of_owner ON cases (owner_id, id DESC);
-- The queue: the highest priority first, then the oldest. `-priority`, so that both rise.
CREATE INDEX cases_queue ON cases ((-priority), id) WHERE status = 'open';
CREATE INDEX cases_queues ON cases (target_type, reason, source, (-priority), id) WHERE status = 'open';
CREATE INDEX cases_claimed ON cases (claimed_by) WHERE claimed_by IS NOT NULL AND status = 'open';
CREATE INDEX cases_decided ON cases (decided_at DESC, id DESC) WHERE status = 'decided';

-- The acts of a case. 'changed': the target is no longer what the snapshot in `details` shows.
CREATE TABLE case_acts (
    id         bigint PRIMARY KEY,
    case_id    bigint NOT NULL REFERENCES cases,
    actor_id   bigint REFERENCES users,             -- null: the system
    kind       text NOT NULL CHECK (kind IN ('opened', 'changed', 'claimed', 'released', 'noted', 'decided')),
    note       text NOT NULL DEFAULT '',
    details    jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX case_acts_of_case ON case_acts (case_id, id DESC);

---------------------------------------------------------------------------------------------------- reports

CREATE TABLE reports (
    id           bigint PRIMARY KEY,
    case_id      bigint NOT NULL REFERENCES cases,
    reporter_id  bigint NOT NULL REFERENCES users,
    reason       text NOT NULL CHECK (reason IN (
        'spam', 'harassment', 'hate', 'violence', 'sexual', 'self_harm', 'minors', 'scam', 'impersonation',
        'private_information', 'copyright', 'illegal', 'other')),
    text         text NOT NULL DEFAULT '',
    evidence     jsonb NOT NULL DEFAULT '[]',       -- other targets, as they were: type, id, seq, snapshot
    weight       real NOT NULL CHECK (weight BETWEEN 0 AND 1),
    created_at   timestamptz NOT NULL DEFAULT now(),
    retracted_at timestamptz,
    outcome      text CHECK (outcome IN ('upheld', 'rejected')), -- null: not decided, or retracted before
    UNIQUE (case_id, reporter_id)
);
CREATE INDEX reports_of_reporter ON reports (reporter_id, id DESC);

-- How many reports of a user were right. Users without a row have no decided reports.
CREATE TABLE reporters (
    user_id  bigint PRIMARY KEY REFERENCES users,
    upheld   integer NOT NULL DEFAULT 0,
    rejected integer NOT NULL DEFAULT 0
);

---------------------------------------------------------------------------------------------------- doors

ALTER TABLE cases ENABLE ROW LEVEL SECURITY;
ALTER TABLE case_acts ENABLE ROW LEVEL SECURITY;
ALTER TABLE reports ENABLE ROW LEVEL SECURITY;
ALTER TABLE reporters ENABLE ROW LEVEL SECURITY;

GRANT SELECT ON cases, case_acts, reports TO daira_app, daira_worker;

CREATE POLICY judged ON cases FOR SELECT TO daira_app USING (viewer_is_moderator());
CREATE POLICY judged ON case_acts FOR SELECT TO daira_app USING (viewer_is_moderator());
CREATE POLICY own ON reports FOR SELECT TO daira_app USING (reporter_id = viewer_id() OR viewer_is_moderator());
CREATE POLICY worker_reads ON cases FOR SELECT TO daira_worker USING (true);
CREATE POLICY worker_reads ON case_acts FOR SELECT TO daira_worker USING (true);
CREATE POLICY worker_reads ON reports FOR SELECT TO daira_worker USING (true);
