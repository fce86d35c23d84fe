-- Marks on members, by which the list finds a user's chats without looking at all of them. When a chat passes one of its
-- marks, both move a day ahead for the chat and its members, so members are written at most once a day:
--   last message ≤ listed_until ≤ last message + 1 day
--   last change of the chat or the member ≤ changed_until
-- The marks of a member who left stay where they are.

ALTER TABLE chats
    ADD COLUMN listed_until timestamptz NOT NULL DEFAULT now() + interval '1 day',
    ADD COLUMN changed_until timestamptz NOT NULL DEFAULT clock_timestamp() + interval '1 day';
ALTER TABLE chat_members
    ADD COLUMN listed_until timestamptz NOT NULL DEFAULT now() + interval '1 day',
    ADD COLUMN changed_until timestamptz NOT NULL DEFAULT clock_timestamp() + interval '1 day';

-- Without the triggers, which would give each row a new version.
ALTER TABLE chats DISABLE TRIGGER USER;
ALTER TABLE chat_members DISABLE TRIGGER USER;
UPDATE chats SET listed_until = last_at + interval '1 day';
UPDATE chat_members m SET listed_until = c.listed_until FROM chats c WHERE c.id = m.chat_id;
ALTER TABLE chats ENABLE TRIGGER USER;
ALTER TABLE chat_members ENABLE TRIGGER USER;

CREATE INDEX chat_members_listed ON chat_members (user_id, state, listed_until);
CREATE INDEX chat_members_changed ON chat_members (user_id, changed_until);

DROP FUNCTION IF EXISTS chat_page(xid8, text, timestamptz, bigint, integer);
