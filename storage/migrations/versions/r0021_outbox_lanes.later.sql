CREATE INDEX CONCURRENTLY IF NOT EXISTS outbox_unsent_topics ON outbox (topic, id) WHERE sent_batch IS NULL;

DROP INDEX CONCURRENTLY IF EXISTS outbox_unsent;
