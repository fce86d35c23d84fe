-- Chats. Each chat numbers its messages densely from 1 (`seq`); its members keep marks in these numbers, and everything
-- else is derived. Nothing is written per member when a message is sent.
--
-- `version` is the transaction that changed a row last. A device asks for all rows from the oldest transaction on that
-- ran while it asked before, so it misses no change, in whatever order transactions commit.

---------------------------------------------------------------------------------------------------- tables

CREATE TABLE chats (
    id            bigint PRIMARY KEY,
    kind          text NOT NULL CHECK (kind IN ('direct', 'group')),
    title         text NOT NULL DEFAULT '',
    creator_id    bigint NOT NULL REFERENCES users,
    low_id        bigint REFERENCES users,           -- the two users of a direct chat, in the order of their ids
    high_id       bigint REFERENCES users,
    member_count  integer NOT NULL DEFAULT 0,        -- of active members
    last_seq      integer NOT NULL DEFAULT 0,
    last_at       timestamptz NOT NULL DEFAULT now(), -- of the last message, or of the creation
    last_event_id bigint NOT NULL DEFAULT 0,         -- ids of events rise with `seq`, so that pushes keep its order
    version       xid8 NOT NULL DEFAULT pg_current_xact_id(),
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (low_id, high_id),
    CHECK (kind = 'direct' AND low_id < high_id OR kind = 'group' AND low_id IS NULL AND high_id IS NULL)
);

CREATE TABLE chat_members (
    chat_id      bigint NOT NULL REFERENCES chats ON DELETE CASCADE,
    user_id      bigint NOT NULL REFERENCES users,
    role         text NOT NULL DEFAULT 'member' CHECK (role IN ('owner', 'admin', 'member')),
    state        text NOT NULL CHECK (state IN ('active', 'requested', 'left')),
    first_seq    integer NOT NULL DEFAULT 1,         -- of the first message that the member sees
    received_seq integer NOT NULL DEFAULT 0,
    read_seq     integer NOT NULL DEFAULT 0,
    muted_until  timestamptz,
    version      xid8 NOT NULL DEFAULT pg_current_xact_id(),
    joined_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chat_id, user_id),
    CHECK (0 <= read_seq AND read_seq <= received_seq)
);
CREATE INDEX chat_members_of_user ON chat_members (user_id, chat_id);

CREATE TABLE chat_messages (
    chat_id      bigint NOT NULL REFERENCES chats ON DELETE CASCADE,
    seq          integer NOT NULL,
    sender_id    bigint NOT NULL REFERENCES users,
    text         text NOT NULL,
    reply_to_seq integer,
    created_at   timestamptz NOT NULL DEFAULT now(),
    edited_at    timestamptz,
    deleted_at   timestamptz,
    PRIMARY KEY (chat_id, seq)
);

-- Earlier texts of messages.
CREATE TABLE chat_edits (
    chat_id    bigint NOT NULL,
    seq        integer NOT NULL,
    number     integer NOT NULL,
    text       text NOT NULL,
    written_at timestamptz NOT NULL,
    PRIMARY KEY (chat_id, seq, number),
    FOREIGN KEY (chat_id, seq) REFERENCES chat_messages ON DELETE CASCADE
);

CREATE TABLE chat_reactions (
    chat_id bigint NOT NULL,
    seq     integer NOT NULL,
    user_id bigint NOT NULL REFERENCES users,
    emoji   text NOT NULL,
    PRIMARY KEY (chat_id, seq, user_id),
    FOREIGN KEY (chat_id, seq) REFERENCES chat_messages ON DELETE CASCADE
);

-- Messages that a member deleted for themselves alone.
CREATE TABLE chat_hidden (
    chat_id bigint NOT NULL,
    user_id bigint NOT NULL REFERENCES users,
    seq     integer NOT NULL,
    PRIMARY KEY (chat_id, user_id, seq),
    FOREIGN KEY (chat_id, seq) REFERENCES chat_messages ON DELETE CASCADE
);

-- The last 50 steps of each member's read mark: message seqs[n] and those before it were read at ats[n], if not before.
CREATE TABLE chat_reads (
    chat_id bigint NOT NULL,
    user_id bigint NOT NULL,
    seqs    integer[] NOT NULL,
    ats     timestamptz[] NOT NULL,
    PRIMARY KEY (chat_id, user_id),
    FOREIGN KEY (chat_id, user_id) REFERENCES chat_members ON DELETE CASCADE
);

---------------------------------------------------------------------------------------------------- triggers

CREATE FUNCTION chat_changed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION chat_member_changed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION chat_members_counted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION chat_read_noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION chat_message_changed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION chat_message_hidden() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION chats_blocked() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';

CREATE TRIGGER chat_changed BEFORE UPDATE ON chats FOR EACH ROW EXECUTE FUNCTION chat_changed();
CREATE TRIGGER chat_member_changed BEFORE UPDATE ON chat_members
    FOR EACH ROW EXECUTE FUNCTION chat_member_changed();
CREATE TRIGGER chat_members_counted AFTER INSERT OR UPDATE OF state ON chat_members
    FOR EACH ROW EXECUTE FUNCTION chat_members_counted();
CREATE TRIGGER chat_read_noted AFTER UPDATE OF read_seq ON chat_members
    FOR EACH ROW WHEN (OLD.read_seq < NEW.read_seq) EXECUTE FUNCTION chat_read_noted();
CREATE TRIGGER chat_message_changed BEFORE UPDATE ON chat_messages
    FOR EACH ROW EXECUTE FUNCTION chat_message_changed();
CREATE TRIGGER chat_message_hidden AFTER INSERT ON chat_hidden
    FOR EACH ROW EXECUTE FUNCTION chat_message_hidden();
CREATE TRIGGER chats_blocked AFTER INSERT OR DELETE ON blocks FOR EACH ROW EXECUTE FUNCTION chats_blocked();

---------------------------------------------------------------------------------------------------- who may

CREATE FUNCTION sees_chat(chat bigint) RETURNS boolean LANGUAGE sql RETURN NULL::boolean;
CREATE FUNCTION writes_in_chat(chat bigint) RETURNS boolean LANGUAGE sql RETURN NULL::boolean;
CREATE FUNCTION moderates_chat(chat bigint) RETURNS boolean LANGUAGE sql RETURN NULL::boolean;
CREATE FUNCTION sees_chat_message(chat bigint, seq integer) RETURNS boolean LANGUAGE sql RETURN NULL::boolean;
CREATE FUNCTION may_tell_of_chat(topic text, key text, event jsonb) RETURNS boolean LANGUAGE sql RETURN NULL::boolean;

-- Functions insert chats, members and messages, and change states and roles: each of these depends on other rows, and
-- the function that locks them is the only way to write it.
GRANT SELECT, UPDATE (title) ON chats TO daira_app;
GRANT SELECT, UPDATE (received_seq, read_seq, muted_until) ON chat_members TO daira_app;
GRANT SELECT, UPDATE (text, deleted_at) ON chat_messages TO daira_app;
GRANT SELECT ON chat_edits TO daira_app;
GRANT SELECT, INSERT (chat_id, seq, user_id, emoji), UPDATE (emoji), DELETE ON chat_reactions TO daira_app;
GRANT SELECT, INSERT (chat_id, seq, user_id) ON chat_hidden TO daira_app;
GRANT SELECT ON chats, chat_members, chat_messages, chat_reactions, chat_hidden TO daira_worker;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY ['chats', 'chat_members', 'chat_messages', 'chat_edits', 'chat_reactions',
        'chat_hidden', 'chat_reads'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY ['chats', 'chat_members', 'chat_messages', 'chat_reactions', 'chat_hidden'] LOOP
        EXECUTE format('CREATE POLICY worker_reads ON %I FOR SELECT TO daira_worker USING (true)', name);
    END LOOP;
END $$;

CREATE POLICY visible ON chats FOR SELECT TO daira_app USING (sees_chat(id));
CREATE POLICY titled ON chats FOR UPDATE TO daira_app USING (moderates_chat(id)) WITH CHECK (moderates_chat(id));

-- `chat_members_for` shows the other members.
CREATE POLICY self ON chat_members FOR SELECT TO daira_app USING (user_id = viewer_id());
CREATE POLICY marked ON chat_members FOR UPDATE TO daira_app
    USING (user_id = viewer_id() AND sees_chat(chat_id)) WITH CHECK (user_id = viewer_id());

CREATE POLICY visible ON chat_messages FOR SELECT TO daira_app USING (sees_chat_message(chat_id, seq));
-- A moderator deletes any message of a group, and changes no text but their own: `chat_message_changed`.
CREATE POLICY changed ON chat_messages FOR UPDATE TO daira_app
    USING (deleted_at IS NULL AND writes_in_chat(chat_id) AND (sender_id = viewer_id() OR moderates_chat(chat_id)))
    WITH CHECK (writes_in_chat(chat_id));

CREATE POLICY visible ON chat_edits FOR SELECT TO daira_app USING (sees_chat_message(chat_id, seq));

CREATE POLICY self ON chat_reactions FOR SELECT TO daira_app USING (user_id = viewer_id());
CREATE POLICY given ON chat_reactions FOR INSERT TO daira_app
    WITH CHECK (user_id = viewer_id() AND writes_in_chat(chat_id) AND EXISTS (
        SELECT FROM chat_messages m -- those that the viewer sees
        WHERE m.chat_id = chat_reactions.chat_id AND m.seq = chat_reactions.seq AND m.deleted_at IS NULL));
CREATE POLICY changed ON chat_reactions FOR UPDATE TO daira_app
    USING (user_id = viewer_id() AND writes_in_chat(chat_id)) WITH CHECK (user_id = viewer_id());
CREATE POLICY taken ON chat_reactions FOR DELETE TO daira_app
    USING (user_id = viewer_id() AND writes_in_chat(chat_id));

CREATE POLICY self ON chat_hidden FOR SELECT TO daira_app USING (user_id = viewer_id());
CREATE POLICY hidden ON chat_hidden FOR INSERT TO daira_app
    WITH CHECK (user_id = viewer_id() AND sees_chat_message(chat_id, seq));

CREATE POLICY of_chats ON outbox FOR INSERT TO daira_app
    WITH CHECK (topic LIKE 'chat.%' AND may_tell_of_chat(topic, key, convert_from(payload, 'UTF8')::jsonb));
