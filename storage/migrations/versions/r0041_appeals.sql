-- Appeals. Functions alone write them (storage/functions/appeals.sql). They are decided with their case: see `appeals_settled`.

CREATE FUNCTION appeals_settled() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';

CREATE TABLE appeals (
    id          bigint PRIMARY KEY,
    decision_id bigint NOT NULL UNIQUE REFERENCES decisions,
    user_id     bigint NOT NULL REFERENCES users,
    text        text NOT NULL CHECK (char_length(text) <= 2000),
    case_id     bigint NOT NULL REFERENCES cases,
    status      text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'upheld', 'overturned')),
    due_at      timestamptz NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    decided_at  timestamptz,
    decided_by  bigint REFERENCES users,
    CHECK ((status = 'open') = (decided_at IS NULL))
);
CREATE INDEX appeals_of_user ON appeals (user_id, id DESC);
CREATE INDEX appeals_of_case ON appeals (case_id);

CREATE TRIGGER appeals_settled AFTER UPDATE OF status ON cases
    FOR EACH ROW WHEN (OLD.status = 'open' AND NEW.status = 'decided') EXECUTE FUNCTION appeals_settled();

ALTER TABLE appeals ENABLE ROW LEVEL SECURITY;
-- Users do not learn who decided.
GRANT SELECT (id, decision_id, user_id, text, case_id, status, due_at, created_at, decided_at) ON appeals TO daira_app;
GRANT SELECT ON appeals TO daira_worker;
CREATE POLICY own ON appeals FOR SELECT TO daira_app USING (user_id = viewer_id() OR viewer_is_moderator());
CREATE POLICY worker_reads ON appeals FOR SELECT TO daira_worker USING (true);

---------------------------------------------------------------------------------------------------- notifications

-- Wider than before. Rows that exist have other values.
-- squawk-ignore ban-drop-constraint
ALTER TABLE notifications DROP CONSTRAINT notifications_kind_check, ADD CONSTRAINT notifications_kind_check CHECK (
    kind IN ('follow', 'follow_request', 'acceptance', 'reaction', 'comment', 'reply', 'mention', 'share',
             'chat_request', 'chat_message', 'room_live', 'room_invitation', 'digest', 'security', 'system', 'account',
             'report')) NOT VALID;
-- squawk-ignore ban-drop-constraint
ALTER TABLE notifications DROP CONSTRAINT notifications_target_type_check,
    ADD CONSTRAINT notifications_target_type_check CHECK (target_type IN (
        'user', 'post', 'comment', 'chat', 'room', 'session', 'password', 'system_message', 'decision', 'decision_end',
        'appeal', 'case')) NOT VALID;
-- squawk-ignore ban-drop-constraint
ALTER TABLE account_mails DROP CONSTRAINT account_mails_kind_check, ADD CONSTRAINT account_mails_kind_check CHECK (
    kind IN ('verify_email', 'reset_password', 'change_email', 'email_changed', 'totp_enabled', 'totp_disabled',
             'recovery_code_used', 'new_device', 'password_changed', 'username_changed', 'suspended')) NOT VALID;
