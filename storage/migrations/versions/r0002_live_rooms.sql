-- Redis knows who is in a room. These tables have what must not be lost: rooms, roles, bans, messages, digests.

---------------------------------------------------------------------------------------------------- rooms

CREATE TABLE rooms (
    id          bigint PRIMARY KEY,
    owner_id    bigint NOT NULL REFERENCES users,   -- `visibility` means this user's followers and circles
    host_id     bigint NOT NULL REFERENCES users,   -- one column, so there is never more than one
    topic       text NOT NULL,
    state       text NOT NULL DEFAULT 'scheduled' CHECK (state IN ('scheduled', 'live', 'ended')),
    visibility  text NOT NULL CHECK (visibility IN ('public', 'followers', 'circle', 'private')),
    circle_id   bigint,
    capacity    integer NOT NULL,
    slow_mode_s integer NOT NULL DEFAULT 0,
    starts_at   timestamptz,
    started_at  timestamptz,
    ended_at    timestamptz,
    version     integer NOT NULL DEFAULT 1,
    CHECK ((visibility = 'circle') = (circle_id IS NOT NULL))
);
CREATE INDEX rooms_by_state ON rooms (state, id DESC);
CREATE INDEX rooms_public ON rooms (state, id DESC) WHERE visibility = 'public';
CREATE INDEX rooms_of_owner ON rooms (owner_id, state, id DESC);
CREATE INDEX rooms_of_host ON rooms (host_id, state, id DESC);
CREATE INDEX rooms_of_circle ON rooms (circle_id, state, id DESC) WHERE circle_id IS NOT NULL;

-- Roles of users except the host. A listener has a row only while muted, or after a role.
CREATE TABLE room_roles (
    room_id    bigint NOT NULL REFERENCES rooms ON DELETE CASCADE,
    user_id    bigint NOT NULL REFERENCES users,
    role       text NOT NULL CHECK (role IN ('cohost', 'speaker', 'listener')),
    is_muted   boolean NOT NULL DEFAULT false,
    granted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (room_id, user_id)
);
CREATE INDEX room_roles_of_user ON room_roles (user_id) WHERE role <> 'listener';

-- The times when a user was in the room and on its stage.
CREATE TABLE room_turns (
    room_id  bigint NOT NULL REFERENCES rooms ON DELETE CASCADE,
    user_id  bigint NOT NULL REFERENCES users,
    began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz
);
CREATE UNIQUE INDEX room_turns_open ON room_turns (room_id, user_id) WHERE ended_at IS NULL;
CREATE INDEX room_turns_of_room ON room_turns (room_id);

CREATE TABLE room_bans (
    room_id    bigint NOT NULL REFERENCES rooms ON DELETE CASCADE,
    user_id    bigint NOT NULL REFERENCES users,
    actor_id   bigint NOT NULL REFERENCES users,
    reason     text,
    until      timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (room_id, user_id)
);

CREATE TABLE room_invitations (
    room_id    bigint NOT NULL REFERENCES rooms ON DELETE CASCADE,
    user_id    bigint NOT NULL REFERENCES users,
    inviter_id bigint NOT NULL REFERENCES users,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (room_id, user_id)
);
CREATE INDEX room_invitations_of_user ON room_invitations (user_id);

CREATE TABLE room_messages (
    id         bigint PRIMARY KEY,
    room_id    bigint NOT NULL REFERENCES rooms ON DELETE CASCADE,
    sender_id  bigint NOT NULL REFERENCES users,
    text       text NOT NULL,
    deleted_at timestamptz
);
CREATE INDEX room_messages_of_room ON room_messages (room_id, id DESC);

CREATE TABLE room_digests (
    room_id    bigint PRIMARY KEY REFERENCES rooms ON DELETE CASCADE,
    body       bytea NOT NULL,                      -- JSON, as room.digest answers it
    created_at timestamptz NOT NULL DEFAULT now()
);

---------------------------------------------------------------------------------------------------- presence

-- The presence that users chose. Redis knows who is online.
ALTER TABLE users
    ADD presence_status text NOT NULL DEFAULT 'online' CHECK (presence_status IN ('online', 'away', 'busy', 'invisible')),
    ADD presence_text text NOT NULL DEFAULT '',
    ADD presence_version integer NOT NULL DEFAULT 0,
    ADD presence_audience text NOT NULL DEFAULT 'everyone' CHECK (presence_audience IN ('everyone', 'followers', 'nobody'));

---------------------------------------------------------------------------------------------------- who may

CREATE FUNCTION room_role(room bigint, person bigint) RETURNS text LANGUAGE sql RETURN NULL::text;
CREATE FUNCTION moderates_room(room bigint) RETURNS boolean LANGUAGE sql RETURN NULL::boolean;
CREATE FUNCTION room_visible(room bigint, owner bigint, host bigint, visibility text, circle bigint) RETURNS boolean
    LANGUAGE sql RETURN NULL::boolean;
CREATE FUNCTION sees_room(room bigint) RETURNS boolean LANGUAGE sql RETURN NULL::boolean;

---------------------------------------------------------------------------------------------------- doors

GRANT SELECT ON rooms, room_roles, room_turns, room_bans, room_invitations, room_messages, room_digests TO daira_app;
GRANT INSERT (id, owner_id, host_id, topic, visibility, circle_id, capacity, slow_mode_s, starts_at) ON rooms
    TO daira_app;
GRANT UPDATE (host_id, topic, state, capacity, slow_mode_s, started_at, ended_at, version) ON rooms TO daira_app;
GRANT INSERT, UPDATE, DELETE ON room_roles, room_bans TO daira_app;
GRANT UPDATE (ended_at) ON room_turns TO daira_app;
GRANT INSERT ON room_invitations, room_messages TO daira_app;
GRANT UPDATE (deleted_at) ON room_messages TO daira_app;
GRANT UPDATE (presence_status, presence_text, presence_version, presence_audience) ON users TO daira_app;

GRANT SELECT ON rooms, room_roles, room_turns, room_bans, room_invitations, room_messages, room_digests TO daira_worker;
GRANT UPDATE (host_id, state, ended_at, version) ON rooms TO daira_worker;
GRANT INSERT, UPDATE, DELETE ON room_roles TO daira_worker;
GRANT UPDATE (ended_at) ON room_turns TO daira_worker;
GRANT INSERT ON room_digests, outbox, audit TO daira_worker;
GRANT DELETE ON room_messages TO daira_worker;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY ['rooms', 'room_roles', 'room_turns', 'room_bans', 'room_invitations', 'room_messages',
        'room_digests'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY worker ON %I TO daira_worker USING (true) WITH CHECK (true)', name);
    END LOOP;
END $$;
CREATE POLICY worker ON audit FOR INSERT TO daira_worker WITH CHECK (true);

CREATE POLICY visible ON rooms FOR SELECT TO daira_app
    USING (room_visible(id, owner_id, host_id, visibility, circle_id));
CREATE POLICY opened ON rooms FOR INSERT TO daira_app WITH CHECK (viewer_id() = ALL (ARRAY [owner_id, host_id]));
CREATE POLICY moderated ON rooms FOR UPDATE TO daira_app USING (moderates_room(id)) WITH CHECK (true);

CREATE POLICY visible ON room_roles FOR SELECT TO daira_app USING (sees_room(room_id));
CREATE POLICY moderated ON room_roles TO daira_app USING (moderates_room(room_id)) WITH CHECK (true);
CREATE POLICY visible ON room_turns FOR SELECT TO daira_app USING (user_id = viewer_id() OR sees_room(room_id));
CREATE POLICY ended ON room_turns FOR UPDATE TO daira_app USING (user_id = viewer_id() OR moderates_room(room_id));
CREATE POLICY party ON room_bans FOR SELECT TO daira_app USING (user_id = viewer_id() OR moderates_room(room_id));
CREATE POLICY moderated ON room_bans TO daira_app USING (moderates_room(room_id))
    WITH CHECK (moderates_room(room_id) AND room_role(room_id, user_id) IS DISTINCT FROM 'host');
CREATE POLICY party ON room_invitations FOR SELECT TO daira_app
    USING (viewer_id() IN (user_id, inviter_id) OR moderates_room(room_id));
CREATE POLICY invited ON room_invitations FOR INSERT TO daira_app
    WITH CHECK (inviter_id = viewer_id() AND moderates_room(room_id));
CREATE POLICY visible ON room_messages FOR SELECT TO daira_app USING (sees_room(room_id));
CREATE POLICY sent ON room_messages FOR INSERT TO daira_app 
    WITH CHECK (sender_id = viewer_id() AND sees_room(room_id));
CREATE POLICY deleted ON room_messages FOR UPDATE TO daira_app
    USING (deleted_at IS NULL AND (sender_id = viewer_id() OR moderates_room(room_id)))
    WITH CHECK (deleted_at IS NOT NULL);
CREATE POLICY visible ON room_digests FOR SELECT TO daira_app USING (sees_room(room_id));
