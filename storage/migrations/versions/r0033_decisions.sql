-- Decisions of moderation. Functions alone write these tables (storage/functions/decisions.sql): each decision has one
-- audit row, and one statement of reasons if it restricts or warns somebody.

-- A decision stands until it ends or until its time `until`. What is restricted follows from the decisions that stand:
-- see `enforce`. A target is named as in `cases`.
CREATE TABLE decisions (
    id           bigint PRIMARY KEY,                -- minted under the lock of the target, so ids have its order
    case_id      bigint,
    target_type  text NOT NULL CHECK (target_type IN ('post', 'comment', 'message', 'media', 'room', 'user')),
    target_id    bigint NOT NULL,
    target_seq   integer NOT NULL DEFAULT 0,
    user_id      bigint NOT NULL REFERENCES users,  -- the person concerned
    action       text NOT NULL CHECK (action IN (
        'approve', 'warn', 'label', 'limit', 'shadow', 'hold', 'remove', 'suspend', 'ban')),
    reason       text NOT NULL CHECK (reason IN (
        'spam', 'harassment', 'hate', 'violence', 'sexual', 'self_harm', 'minors', 'scam', 'impersonation',
        'private_information', 'copyright', 'illegal', 'other')),
    labels       text[] NOT NULL DEFAULT '{}' CHECK (
        labels <@ ARRAY ['sensitive', 'violence', 'sexual', 'spoiler', 'misleading', 'graphic']),
    until        timestamptz,                       -- null: until it ends
    note         text NOT NULL DEFAULT '' CHECK (char_length(note) <= 2000), -- for moderators
    decided_by   bigint REFERENCES users,           -- null: a rule, a classifier or the operator
    rule_id      bigint,
    rule_version integer,
    created_at   timestamptz NOT NULL DEFAULT now(),
    ended_at     timestamptz,
    ended_by     bigint REFERENCES users,
    end_reason   text CHECK (end_reason IN ('undone', 'expired', 'overturned')),
    CHECK ((target_type = 'message') = (target_seq > 0)),
    CHECK (action NOT IN ('suspend', 'ban') OR target_type = 'user'),
    CHECK (target_type <> 'user' OR action IN ('approve', 'warn', 'suspend', 'ban')),
    CHECK (action <> 'label' OR cardinality(labels) > 0),
    CHECK (until IS NULL OR action NOT IN ('approve', 'warn', 'ban')),
    CHECK (action <> 'shadow' OR reason = 'spam'),  -- of everything else, its author is told
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);
CREATE INDEX decisions_of_target ON decisions (target_type, target_id, target_seq, id);
CREATE INDEX decisions_of_user ON decisions (user_id, id DESC);
CREATE INDEX decisions_of_case ON decisions (case_id) WHERE case_id IS NOT NULL;
CREATE INDEX decisions_of_moderator ON decisions (decided_by, id) WHERE decided_by IS NOT NULL;
CREATE INDEX decisions_of_rule ON decisions (rule_id, id) WHERE rule_id IS NOT NULL;
CREATE INDEX decisions_due ON decisions (until) WHERE ended_at IS NULL AND until IS NOT NULL;

-- Statements of reasons, with the fields and values of the transparency database of the EU (DSA, article 17).
CREATE TABLE statements (
    decision_id         bigint PRIMARY KEY REFERENCES decisions,
    user_id             bigint NOT NULL REFERENCES users,
    decision_visibility text,                       -- null: visibility is not restricted
    decision_account    text,
    decision_ground     text NOT NULL,
    facts               text NOT NULL,              -- what was decided and why, in the person's language
    category            text NOT NULL,
    content_type        text NOT NULL,
    territorial_scope   text[] NOT NULL DEFAULT '{WORLD}',
    source              text NOT NULL,              -- how the content was noticed
    automated_detection boolean NOT NULL,
    automated_decision  boolean NOT NULL,
    applies_from        timestamptz NOT NULL DEFAULT now(),
    end_date            timestamptz,                -- null: indefinite
    language            text NOT NULL
);
CREATE INDEX statements_of_user ON statements (user_id, decision_id DESC);

---------------------------------------------------------------------------------------------------- doors

ALTER TABLE decisions ENABLE ROW LEVEL SECURITY;
ALTER TABLE statements ENABLE ROW LEVEL SECURITY;

GRANT SELECT ON decisions, statements TO daira_app, daira_worker;

-- The person concerned reads what concerns them by `account_limits`, which shows neither notes nor moderators.
CREATE POLICY judged ON decisions FOR SELECT TO daira_app USING (viewer_is_moderator());
CREATE POLICY judged ON statements FOR SELECT TO daira_app USING (viewer_is_moderator());
CREATE POLICY worker_reads ON decisions FOR SELECT TO daira_worker USING (true);
CREATE POLICY worker_reads ON statements FOR SELECT TO daira_worker USING (true);
