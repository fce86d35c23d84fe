DROP FUNCTION IF EXISTS shown_chat_messages(bigint, bigint, integer, integer, integer, bigint[]),
    send_chat_messages(bigint, bigint[], text[], integer[], text[], bytea[], boolean[]);
