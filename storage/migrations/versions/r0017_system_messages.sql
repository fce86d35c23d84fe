-- They exist when an older database is upgraded; functions/ holds their text.
CREATE FUNCTION sees_system_message(message bigint) RETURNS boolean LANGUAGE sql RETURN false;
DROP FUNCTION IF EXISTS recheck_cause(text, text, bigint, bigint, bigint);

-- Messages of the operator to one user or to all. The owner of the tables writes them.
CREATE TABLE system_messages (
    id          bigint PRIMARY KEY,
    text        text NOT NULL CHECK (char_length(text) BETWEEN 1 AND 300),
    user_id     bigint REFERENCES users,            -- null: to all active users
    told_id     bigint NOT NULL DEFAULT 0,          -- users up to this id have an event
    finished_at timestamptz,                        -- all users have one
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- Rows that exist have other values, so they need no check.
ALTER TABLE notifications DROP CONSTRAINT notifications_target_type_check, ADD CHECK (target_type IN (
    'user', 'post', 'comment', 'chat', 'room', 'session', 'password', 'system_message')) NOT VALID;

ALTER TABLE system_messages ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, text, created_at) ON system_messages TO daira_app, daira_worker;
CREATE POLICY told ON system_messages FOR SELECT TO daira_app USING (sees_system_message(id));
CREATE POLICY worker_reads ON system_messages FOR SELECT TO daira_worker USING (true);
