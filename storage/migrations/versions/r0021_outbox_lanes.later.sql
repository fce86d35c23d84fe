CREATE INDEX CONCURRENTLY IF NOT EXISTS outbox_unsent_topics ON outbox (topic, id) WHERE sent_batch IS NULL;

-- Older code finds unsent events without it, only slower behind a backlog.
-- squawk-ignore ban-drop-index
DROP INDEX CONCURRENTLY IF EXISTS outbox_unsent;
