-- Messages in live rooms are reported, judged and removed. The function `enforce` alone writes `is_removed`.
ALTER TABLE room_messages ADD is_removed boolean NOT NULL DEFAULT false; -- by moderation, which also sets `deleted_at`

-- Wider than before.
-- squawk-ignore ban-drop-constraint
ALTER TABLE cases DROP CONSTRAINT cases_target_type_check, ADD CONSTRAINT cases_target_type_check CHECK (
    target_type IN ('post', 'comment', 'message', 'media', 'room', 'room_message', 'user')) NOT VALID;
-- squawk-ignore ban-drop-constraint
ALTER TABLE decisions DROP CONSTRAINT decisions_target_type_check, ADD CONSTRAINT decisions_target_type_check CHECK (
    target_type IN ('post', 'comment', 'message', 'media', 'room', 'room_message', 'user')) NOT VALID;
ALTER TABLE decisions ADD CONSTRAINT decisions_of_room_messages CHECK (
    target_type <> 'room_message' OR action IN ('approve', 'warn', 'remove')) NOT VALID;
