ALTER TABLE posts VALIDATE CONSTRAINT posts_standing;

ALTER TABLE rooms VALIDATE CONSTRAINT rooms_standing;

ALTER TABLE comments VALIDATE CONSTRAINT comments_standing;

ALTER TABLE chat_messages VALIDATE CONSTRAINT messages_standing;

ALTER TABLE media VALIDATE CONSTRAINT media_standing;

-- Comments that only their author sees are counted apart for that author: see `viewer_marks`.
CREATE INDEX CONCURRENTLY IF NOT EXISTS comments_withheld ON comments (author_id, post_id)
    WHERE standing IN ('shadowed', 'held', 'removed');
