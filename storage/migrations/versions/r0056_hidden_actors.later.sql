CREATE INDEX CONCURRENTLY IF NOT EXISTS notification_causes_by_actor
    ON notification_causes (user_id, actor_id, notification_id) WHERE notification_id IS NOT NULL;

DROP INDEX CONCURRENTLY IF EXISTS notification_causes_of_actor;
