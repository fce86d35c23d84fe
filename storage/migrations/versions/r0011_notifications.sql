-- Notifications. Their ids are minted at the first event of a group, so a list that is ordered by id does not jump.

CREATE TABLE notifications (
    id          bigint PRIMARY KEY,
    user_id     bigint NOT NULL REFERENCES users,
    kind        text NOT NULL CHECK (kind IN (
                    'follow', 'follow_request', 'acceptance', 'reaction', 'comment', 'reply', 'mention', 'share',
                    'chat_request', 'chat_message', 'room_live', 'room_invitation', 'digest', 'security', 'system')),
    target_type text NOT NULL CHECK (target_type IN ('user', 'post', 'comment', 'chat', 'room', 'session', 'password')),
    target_id   bigint NOT NULL,
    place       text NOT NULL CHECK (place IN ('list', 'filtered', 'push')), -- filtered: kept back by the user's policy
    group_key   text,                               -- while it is not null, further actors join this notification
    actor_ids   bigint[] NOT NULL DEFAULT '{}',     -- the newest 8, newest first
    actor_count integer NOT NULL DEFAULT 0,
    told_seq    bigint NOT NULL DEFAULT 0,          -- the newest message of a chat that devices were told of
    first_at    timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    seen_at     timestamptz,
    read_at     timestamptz,
    decisions   jsonb NOT NULL DEFAULT '[]'         -- as notification.why answers them
);
CREATE UNIQUE INDEX notifications_open ON notifications (user_id, group_key) WHERE group_key IS NOT NULL;
CREATE INDEX notifications_listed ON notifications (user_id, id DESC) WHERE place = 'list';
CREATE INDEX notifications_unseen ON notifications (user_id, id DESC) WHERE place = 'list' AND seen_at IS NULL;
CREATE INDEX notifications_filtered ON notifications (user_id, id DESC) WHERE place = 'filtered';

-- Each cause notifies once. This makes repeated events harmless, and repeated likes quiet.
CREATE TABLE notification_causes (
    user_id         bigint NOT NULL REFERENCES users,
    kind            text NOT NULL,
    target_type     text NOT NULL,
    target_id       bigint NOT NULL,
    actor_id        bigint NOT NULL,                -- 0 without an actor
    event_id        bigint NOT NULL,                -- of the first event with this cause
    notification_id bigint,                         -- null: the user was not told
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, kind, target_type, target_id, actor_id)
);
CREATE INDEX notification_causes_of_group ON notification_causes (notification_id, created_at DESC)
    WHERE notification_id IS NOT NULL;
CREATE INDEX notification_causes_of_actor ON notification_causes (user_id, actor_id) WHERE notification_id IS NOT NULL;
CREATE INDEX notification_causes_age ON notification_causes (created_at);

CREATE TABLE notification_preferences (
    user_id      bigint PRIMARY KEY REFERENCES users,
    channels     jsonb NOT NULL DEFAULT '{}',       -- kind → channel → boolean, where they differ from the defaults
    ungrouped    text[] NOT NULL DEFAULT '{}',      -- kinds
    quiet_from   time,
    quiet_until  time,
    strangers    text NOT NULL DEFAULT 'accept' CHECK (strangers IN ('accept', 'filter', 'drop')),
    new_accounts text NOT NULL DEFAULT 'accept' CHECK (new_accounts IN ('accept', 'filter', 'drop')),
    CHECK ((quiet_from IS NULL) = (quiet_until IS NULL)),
    CHECK (jsonb_typeof(channels) = 'object' AND pg_column_size(channels) < 4000 AND cardinality(ungrouped) < 20)
);

-- A delivery to all devices of one user. `dismiss` removes from them what a `push` has shown.
CREATE TABLE notification_deliveries (
    notification_id bigint NOT NULL REFERENCES notifications ON DELETE CASCADE,
    channel         text NOT NULL CHECK (channel IN ('push', 'email', 'dismiss')),
    user_id         bigint NOT NULL REFERENCES users,
    due_at          timestamptz NOT NULL,
    leased_until    timestamptz,                    -- a worker is sending it
    attempts        integer NOT NULL DEFAULT 0,
    outcome         text,                           -- null: not finished
    PRIMARY KEY (notification_id, channel)
);
CREATE INDEX notification_deliveries_due ON notification_deliveries (due_at) WHERE outcome IS NULL;
CREATE INDEX notification_deliveries_of_user ON notification_deliveries (user_id, channel) WHERE outcome IS NULL;

---------------------------------------------------------------------------------------------------- rights

-- Only functions create, see and read notifications, so that their rules hold for every caller.
GRANT SELECT ON notifications, notification_preferences TO daira_app;
GRANT INSERT (user_id, channels, ungrouped, quiet_from, quiet_until, strangers, new_accounts),
    UPDATE (channels, ungrouped, quiet_from, quiet_until, strangers, new_accounts)
    ON notification_preferences TO daira_app;

GRANT SELECT ON notifications, notification_causes, notification_deliveries TO daira_worker;
GRANT UPDATE (decisions, told_seq), DELETE ON notifications TO daira_worker;
GRANT DELETE ON notification_causes TO daira_worker;
GRANT INSERT (notification_id, channel, user_id, due_at), UPDATE (due_at, leased_until, attempts, outcome)
    ON notification_deliveries TO daira_worker;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY ['notifications', 'notification_causes', 'notification_preferences',
        'notification_deliveries'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY ['notifications', 'notification_causes', 'notification_deliveries'] LOOP
        EXECUTE format('CREATE POLICY worker_reads ON %I FOR SELECT TO daira_worker USING (true)', name);
    END LOOP;
END $$;

CREATE POLICY self ON notifications FOR SELECT TO daira_app USING (user_id = viewer_id());
CREATE POLICY self ON notification_preferences TO daira_app
    USING (user_id = viewer_id()) WITH CHECK (user_id = viewer_id());

CREATE POLICY worker_changes ON notifications FOR UPDATE TO daira_worker USING (true) WITH CHECK (true);
-- Workers delete what is 90 days old, and the oldest notifications of users who have more than 1,000.
CREATE POLICY worker_deletes ON notifications FOR DELETE TO daira_worker USING (true);
CREATE POLICY worker_deletes ON notification_causes FOR DELETE TO daira_worker
    USING (created_at < now() - interval '90 days');
CREATE POLICY worker_adds ON notification_deliveries FOR INSERT TO daira_worker WITH CHECK (EXISTS (
    SELECT FROM notifications n WHERE n.id = notification_id AND n.user_id = notification_deliveries.user_id));
CREATE POLICY worker_changes ON notification_deliveries FOR UPDATE TO daira_worker USING (true) WITH CHECK (true);
