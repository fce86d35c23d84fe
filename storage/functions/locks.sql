-- Locks for decisions that depend on other rows.
--
-- A trigger first takes a lock on the subject of its decision, and then reads what the decision depends on. Each
-- statement of a PL/pgSQL trigger sees what was committed before that statement, so the decision stays right until the
-- end of the transaction, whoever writes: the application, a worker, or an operator with psql. The lock costs no round
-- trip.

-- No other transaction can hold the same subject until this one ends.
CREATE OR REPLACE FUNCTION hold(subject text, id bigint) RETURNS void
    LANGUAGE sql SET search_path = public, pg_temp AS $$
    SELECT pg_advisory_xact_lock(hashtextextended(subject, id))
$$;
GRANT EXECUTE ON FUNCTION hold TO daira_app;

-- Transactions can share the subject, but not with a `hold`.
CREATE OR REPLACE FUNCTION hold_shared(subject text, id bigint) RETURNS void
    LANGUAGE sql SET search_path = public, pg_temp AS $$
    SELECT pg_advisory_xact_lock_shared(hashtextextended(subject, id))
$$;

-- Locks a pair of users, so that a block and a follow or circle membership between them run one after the other: the
-- later one sees the earlier one.
CREATE OR REPLACE FUNCTION take_turn(one bigint, other bigint) RETURNS void
    LANGUAGE sql SET search_path = public, pg_temp AS $$
    SELECT pg_advisory_xact_lock(hashtextextended(least(one, other)::text, greatest(one, other)))
$$;
GRANT EXECUTE ON FUNCTION take_turn TO daira_worker;

-- Refuses a statement after which an owner has too many rows. Arguments: the column of the owner, the most rows of an
-- owner, the condition for rows that count, and a message with %s for that number.
CREATE OR REPLACE FUNCTION bounded() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    owner bigint;
    found bigint;
BEGIN
    -- In the order of ids, so that two statements with the same owners do not deadlock.
    FOR owner IN EXECUTE format('SELECT DISTINCT %I FROM written WHERE %s ORDER BY 1', TG_ARGV[0], TG_ARGV[2]) LOOP
        PERFORM hold(TG_TABLE_NAME, owner);
        EXECUTE format('SELECT count(*) FROM %I WHERE %I = $1 AND %s', TG_TABLE_NAME, TG_ARGV[0], TG_ARGV[2])
            INTO found USING owner;
        IF found > TG_ARGV[1]::bigint THEN
            RAISE check_violation USING MESSAGE = format(TG_ARGV[3], TG_ARGV[1]), CONSTRAINT = 'bounded';
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
