-- Wider than before.
-- squawk-ignore ban-drop-constraint
ALTER TABLE rules DROP CONSTRAINT rules_surfaces_check, ADD CONSTRAINT rules_surfaces_check CHECK (
    cardinality(surfaces) > 0
    AND surfaces <@ ARRAY ['post', 'comment', 'message', 'profile', 'group', 'room', 'room_message']) NOT VALID;
-- squawk-ignore ban-drop-constraint
ALTER TABLE text_prints DROP CONSTRAINT text_prints_surface_check, ADD CONSTRAINT text_prints_surface_check CHECK (
    surface IN ('post', 'comment', 'message', 'profile', 'group', 'room', 'room_message')) NOT VALID;
