-- The standing of content and accounts. The function `enforce` alone writes these columns, by what the
-- standing decisions say: see storage/functions/enforcement.sql.

---------------------------------------------------------------------------------------------------- content

-- Posts and rooms that only their author may see are `private` while they are withheld, whatever the author has chosen:
-- so no rule, index or policy about visibility needs another condition. `chosen_visibility` and `chosen_circle_id` hold
-- what the author chose; they are null while nothing is withheld.
ALTER TABLE posts
    ADD standing          text NOT NULL DEFAULT 'visible',
    ADD labels            text[] NOT NULL DEFAULT '{}',
    ADD chosen_visibility text,
    ADD chosen_circle_id  bigint;
ALTER TABLE rooms
    ADD standing          text NOT NULL DEFAULT 'visible',
    ADD labels            text[] NOT NULL DEFAULT '{}',
    ADD chosen_visibility text,
    ADD chosen_circle_id  bigint;
ALTER TABLE comments
    ADD standing text NOT NULL DEFAULT 'visible',
    ADD labels   text[] NOT NULL DEFAULT '{}';
ALTER TABLE chat_messages
    ADD standing text NOT NULL DEFAULT 'visible',
    ADD labels   text[] NOT NULL DEFAULT '{}';
ALTER TABLE media
    ADD standing text NOT NULL DEFAULT 'visible',
    ADD labels   text[] NOT NULL DEFAULT '{}';

ALTER TABLE posts
    ADD CONSTRAINT posts_standing CHECK (standing IN ('visible', 'limited', 'shadowed', 'held', 'removed')) NOT VALID;
ALTER TABLE rooms
    ADD CONSTRAINT rooms_standing CHECK (standing IN ('visible', 'limited', 'shadowed', 'held', 'removed')) NOT VALID;
ALTER TABLE comments
    ADD CONSTRAINT comments_standing CHECK (standing IN ('visible', 'limited', 'shadowed', 'held', 'removed')) NOT VALID;
ALTER TABLE chat_messages
    ADD CONSTRAINT messages_standing CHECK (standing IN ('visible', 'limited', 'shadowed', 'held', 'removed')) NOT VALID;
ALTER TABLE media
    ADD CONSTRAINT media_standing CHECK (standing IN ('visible', 'limited', 'shadowed', 'held', 'removed')) NOT VALID;

-- Whether everybody who may see the thing by its other rules sees it. Policies call it.
CREATE FUNCTION is_shown(standing text) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN NULL::boolean;

ALTER POLICY visible ON comments USING (status = 'published' AND (is_shown(standing) OR author_id = viewer_id())
    AND sees_post(post_id) AND sees_user(author_id));
ALTER POLICY visible ON media
    USING (owner_id = viewer_id() OR is_shown(standing) AND sees_media_target(target_type, target_id, target_seq));

-- Its columns have changed, and only functions call it. A new database does not have it yet.
DROP FUNCTION IF EXISTS shown_chat_messages(bigint, bigint, integer, integer, integer, bigint[]);

-- A comment or a share that is withheld, or is back, counts as one that is deleted or written.
CREATE TRIGGER comments_restood AFTER UPDATE OF standing ON comments FOR EACH ROW EXECUTE FUNCTION comments_changed();
CREATE TRIGGER shares_restood AFTER UPDATE OF standing ON posts
    FOR EACH ROW WHEN (NEW.shared_post_id IS NOT NULL) EXECUTE FUNCTION shares_changed();

---------------------------------------------------------------------------------------------------- accounts

ALTER TABLE users ADD suspended_until timestamptz; -- null: for good, or not suspended

-- How the user wants to see what carries a label: show, blur or hide. Labels that are left out have their default.
ALTER TABLE accounts ADD label_choices jsonb NOT NULL DEFAULT '{}';
GRANT UPDATE (label_choices) ON accounts TO daira_app;
