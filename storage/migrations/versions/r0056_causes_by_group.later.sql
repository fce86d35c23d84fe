DROP INDEX CONCURRENTLY IF EXISTS notification_causes_of_actor;
