-- It exists when an older database is upgraded; functions/ holds its text.
CREATE OR REPLACE FUNCTION snowflake_at(at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE RETURN 0;

-- Events that the worker group `notifications` has handled. If one is repeated, it notifies no user whom it did not
-- notify then.
CREATE TABLE handled_events (
    event_id bigint PRIMARY KEY
);

-- The reaction or follow has ended: its actor is left out of the notification.
ALTER TABLE notification_causes ADD COLUMN is_withdrawn boolean NOT NULL DEFAULT false;

-- Devices that got the message while others could not be reached; at most 20 devices of a user in each attempt.
ALTER TABLE notification_deliveries ADD COLUMN sent_to bigint[] NOT NULL DEFAULT '{}'
    CHECK (cardinality(sent_to) <= 1000);
GRANT UPDATE (sent_to) ON notification_deliveries TO daira_worker;

ALTER TABLE handled_events ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT (event_id), DELETE ON handled_events TO daira_worker;
CREATE POLICY worker_reads ON handled_events FOR SELECT TO daira_worker USING (true);
CREATE POLICY worker_adds ON handled_events FOR INSERT TO daira_worker WITH CHECK (true);
CREATE POLICY worker_deletes ON handled_events FOR DELETE TO daira_worker
    USING (event_id < snowflake_at(now() - interval '30 days'));
