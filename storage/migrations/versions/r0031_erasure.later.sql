CREATE INDEX CONCURRENTLY IF NOT EXISTS comments_deleted_by_author ON comments (author_id)
    WHERE status <> 'published' AND text <> '';

CREATE INDEX CONCURRENTLY IF NOT EXISTS reactions_to_comments_by_user ON reactions (user_id, target_id)
    WHERE target_type = 'comment';

CREATE INDEX CONCURRENTLY IF NOT EXISTS room_messages_of_sender ON room_messages (sender_id);

CREATE INDEX CONCURRENTLY IF NOT EXISTS room_turns_of_user ON room_turns (user_id);

CREATE INDEX CONCURRENTLY IF NOT EXISTS search_uses_of_one ON search_uses ((author_ids[1]))
    WHERE cardinality(author_ids) = 1;
