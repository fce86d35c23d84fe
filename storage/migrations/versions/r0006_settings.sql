-- Who may contact the user: `followers` follow the user, `followed` are those whom the user follows.
ALTER TABLE accounts
    ADD messages_from text NOT NULL DEFAULT 'everyone'
        CHECK (messages_from IN ('everyone', 'followers', 'followed', 'nobody')),
    ADD comments_from text NOT NULL DEFAULT 'everyone'
        CHECK (comments_from IN ('everyone', 'followers', 'followed', 'nobody')),
    ADD mentions_from text NOT NULL DEFAULT 'everyone'
        CHECK (mentions_from IN ('everyone', 'followers', 'followed', 'nobody'));
GRANT UPDATE (messages_from, comments_from, mentions_from, locale, timezone) ON accounts TO daira_app;

-- Policies of later revisions call it.
CREATE FUNCTION admits(target bigint, actor bigint, what text) RETURNS boolean LANGUAGE sql RETURN NULL::boolean;
