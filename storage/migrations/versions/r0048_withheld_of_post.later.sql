CREATE INDEX CONCURRENTLY IF NOT EXISTS comments_withheld_of_post ON comments (post_id)
    WHERE standing IN ('shadowed', 'held', 'removed');
