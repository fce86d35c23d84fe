CREATE INDEX CONCURRENTLY IF NOT EXISTS reactions_by_user ON reactions (user_id, id DESC) INCLUDE (target_id)
    WHERE target_type = 'post';

CREATE INDEX CONCURRENTLY IF NOT EXISTS reactions_by_time ON reactions USING brin (id);

CREATE INDEX CONCURRENTLY IF NOT EXISTS saves_by_time ON saves USING brin (id);
