DROP FUNCTION IF EXISTS room_scene(bigint, bigint[], bigint[], integer); -- its result changes
