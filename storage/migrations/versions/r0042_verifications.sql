-- Users who ask to be verified as creators. Their documents are files of the target 'verification', until the decision.
-- Functions alone write them (storage/functions/verifications.sql).
CREATE TABLE verifications (
    id           bigint PRIMARY KEY,
    user_id      bigint NOT NULL REFERENCES users,
    status       text NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'approved', 'refused')),
    reason       text NOT NULL DEFAULT '',          -- for the user
    requested_at timestamptz NOT NULL DEFAULT now(),
    decided_at   timestamptz,
    decided_by   bigint REFERENCES users,
    CHECK ((status = 'waiting') = (decided_at IS NULL))
);
CREATE UNIQUE INDEX verifications_waiting ON verifications (user_id) WHERE status = 'waiting';
CREATE INDEX verifications_queue ON verifications (id) WHERE status = 'waiting';
CREATE INDEX verifications_of_user ON verifications (user_id, id DESC);

ALTER TABLE verifications ENABLE ROW LEVEL SECURITY;

-- Wider than before. Rows that exist have other values.
-- squawk-ignore ban-drop-constraint
ALTER TABLE media DROP CONSTRAINT media_target_type_check, ADD CONSTRAINT media_target_type_check CHECK (
    target_type IN ('post', 'comment', 'message', 'user', 'room', 'verification')) NOT VALID;
