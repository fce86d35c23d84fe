DROP FUNCTION IF EXISTS sign_in(bigint[], bigint[]), room_for_all(bigint), room_people(bigint, bigint[]),
    room_messages_for(bigint, bigint, integer);
