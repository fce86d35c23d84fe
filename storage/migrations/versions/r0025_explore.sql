-- Explore. Only functions read and write these tables (storage/functions/explore.sql and suggestions.sql), so that
-- their rules hold for every caller; users may write `dismissed_people` themselves.

---------------------------------------------------------------------------------------------------- accounts

-- Only their owner reads them. A user without an account can be suggested, and is in no governorate.
ALTER TABLE accounts ADD COLUMN governorate text;
ALTER TABLE accounts ADD COLUMN suggest_me boolean NOT NULL DEFAULT true;
ALTER TABLE accounts ADD CONSTRAINT accounts_governorate CHECK (governorate IN (
    'alexandria', 'aswan', 'asyut', 'beheira', 'beni_suef', 'cairo', 'dakahlia', 'damietta', 'faiyum', 'gharbia', 'giza',
    'ismailia', 'kafr_el_sheikh', 'luxor', 'matruh', 'minya', 'monufia', 'new_valley', 'north_sinai', 'port_said',
    'qalyubia', 'qena', 'red_sea', 'sharqia', 'sohag', 'south_sinai', 'suez')) NOT VALID;
GRANT UPDATE (governorate, suggest_me) ON accounts TO daira_app;

---------------------------------------------------------------------------------------------------- hashtags

-- The public posts with a hashtag, by its folded form. Who may see a post is decided when it is read.
CREATE TABLE post_tags (
    tag     text NOT NULL,
    post_id bigint NOT NULL,
    PRIMARY KEY (tag, post_id)
);
CREATE INDEX post_tags_of_post ON post_tags (post_id);

-- Posts below this id may not be in `post_tags` yet. Workers go down from it.
CREATE TABLE post_tags_backfill (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    below bigint NOT NULL
);
INSERT INTO post_tags_backfill (below) VALUES (9223372036854775807);

---------------------------------------------------------------------------------------------------- trends

-- Who used a hashtag in an hour, in public posts, kept for 24 hours. A person counts once per hour and hashtag.
CREATE TABLE tag_uses (
    tag      text NOT NULL,
    hour     timestamptz NOT NULL,
    user_id  bigint NOT NULL REFERENCES users,
    post_id  bigint NOT NULL,
    place    text,                                  -- the governorate of the user at that time
    spelling text NOT NULL,
    PRIMARY KEY (tag, hour, user_id, post_id)
);
CREATE INDEX tag_uses_in_place ON tag_uses (tag, place, hour, user_id) WHERE place IS NOT NULL;
CREATE INDEX tag_uses_of_post ON tag_uses (post_id);
CREATE INDEX tag_uses_age ON tag_uses (hour);

-- People per place, hashtag and hour, kept for 24 hours. The place is a governorate, or 'egypt' for the whole country.
CREATE TABLE tag_hours (
    place  text NOT NULL,
    tag    text NOT NULL,
    hour   timestamptz NOT NULL,
    people integer NOT NULL,
    PRIMARY KEY (place, tag, hour)
);
CREATE INDEX tag_hours_age ON tag_hours (hour);

-- Sums of uses that halve every 2 hours (`observed`) and every 7 days (`usual`), as `heated` writes them.
CREATE TABLE tag_heat (
    place    text NOT NULL,
    tag      text NOT NULL,
    observed float8 NOT NULL,
    usual    float8 NOT NULL,
    PRIMARY KEY (place, tag)
);
CREATE INDEX tag_heat_hottest ON tag_heat (place, observed DESC);

-- The trends as readers get them, replaced by workers once a minute.
CREATE TABLE trends (
    place    text NOT NULL,
    position integer NOT NULL,
    tag      text NOT NULL,
    spelling text NOT NULL,
    people   integer NOT NULL CHECK (people >= 20),
    hours    integer[] NOT NULL,
    PRIMARY KEY (place, position)
);

---------------------------------------------------------------------------------------------------- trending posts

-- Who reacted to, commented on, shared or saved a public post of the last 48 hours. A person counts once per post.
CREATE TABLE post_people (
    post_id bigint NOT NULL,
    user_id bigint NOT NULL REFERENCES users,
    PRIMARY KEY (post_id, user_id)
);

-- Sums of these people that halve every 6 hours, as `heated` writes them.
CREATE TABLE post_heat (
    post_id  bigint PRIMARY KEY,
    heat     float8 NOT NULL,
    is_video boolean NOT NULL
);
CREATE INDEX post_heat_hottest ON post_heat (heat DESC);
CREATE INDEX post_heat_hottest_videos ON post_heat (heat DESC) WHERE is_video;

---------------------------------------------------------------------------------------------------- people

-- Whom a user does not want to be suggested.
CREATE TABLE dismissed_people (
    user_id      bigint NOT NULL REFERENCES users,
    dismissed_id bigint NOT NULL REFERENCES users,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, dismissed_id),
    CHECK (user_id <> dismissed_id)
);
CREATE TRIGGER most_dismissed AFTER INSERT ON dismissed_people REFERENCING NEW TABLE AS written FOR EACH STATEMENT
    EXECUTE FUNCTION bounded('user_id', '5000', 'true', 'nobody dismisses more than %s people');

---------------------------------------------------------------------------------------------------- rights

GRANT SELECT, INSERT (user_id, dismissed_id) ON dismissed_people TO daira_app;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY ['post_tags', 'post_tags_backfill', 'tag_uses', 'tag_hours', 'tag_heat', 'trends',
        'post_people', 'post_heat', 'dismissed_people'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    END LOOP;
END $$;

CREATE POLICY self ON dismissed_people FOR SELECT TO daira_app USING (user_id = viewer_id());
CREATE POLICY dismissed ON dismissed_people FOR INSERT TO daira_app
    WITH CHECK (user_id = viewer_id() AND NOT blocks_viewer(dismissed_id));
