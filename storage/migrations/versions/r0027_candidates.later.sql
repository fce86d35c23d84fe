CREATE INDEX CONCURRENTLY IF NOT EXISTS reactions_by_user ON reactions (user_id, id DESC) INCLUDE (target_id)
    WHERE target_type = 'post';
