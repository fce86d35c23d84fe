CREATE INDEX CONCURRENTLY IF NOT EXISTS accounts_feed_reset ON accounts (feed_reset_at)
    WHERE feed_reset_at IS NOT NULL;
