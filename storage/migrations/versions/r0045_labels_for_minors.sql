-- Users below 18 see nothing of others that is labelled sexual or graphic: see `viewer_too_young` in
-- storage/functions/enforcement.sql.
CREATE FUNCTION viewer_too_young(labels text[]) RETURNS boolean LANGUAGE sql STABLE RETURN NULL::boolean;

CREATE POLICY of_age ON posts AS RESTRICTIVE FOR SELECT TO daira_app
    USING (labels = '{}' OR author_id = viewer_id() OR NOT viewer_too_young(labels));
CREATE POLICY of_age ON comments AS RESTRICTIVE FOR SELECT TO daira_app
    USING (labels = '{}' OR author_id = viewer_id() OR NOT viewer_too_young(labels));
CREATE POLICY of_age ON media AS RESTRICTIVE FOR SELECT TO daira_app
    USING (labels = '{}' OR owner_id = viewer_id() OR NOT viewer_too_young(labels));
