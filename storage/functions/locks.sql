-- Decisions under a lock.

-- Nobody else decides about the same thing until this transaction ends.
CREATE OR REPLACE FUNCTION hold(subject text, id bigint) RETURNS void
    LANGUAGE sql SET search_path = public, pg_temp AS $$
    SELECT pg_advisory_xact_lock(hashtextextended(subject, id))
$$;
GRANT EXECUTE ON FUNCTION hold TO daira_app;

-- The same for decisions that may be taken beside each other, but not beside a `hold`.
CREATE OR REPLACE FUNCTION hold_shared(subject text, id bigint) RETURNS void
    LANGUAGE sql SET search_path = public, pg_temp AS $$
    SELECT pg_advisory_xact_lock_shared(hashtextextended(subject, id))
$$;

-- Who blocks and who ties the knot at the same moment take turns: the tie sees the block, or the block the tie.
CREATE OR REPLACE FUNCTION take_turn(one bigint, other bigint) RETURNS void
    LANGUAGE sql SET search_path = public, pg_temp AS $$
    SELECT pg_advisory_xact_lock(hashtextextended(least(one, other)::text, greatest(one, other)))
$$;
GRANT EXECUTE ON FUNCTION take_turn TO daira_worker;

-- Arguments: the column of what has the rows, how many it may have, which rows count, and what to say with that number.
CREATE OR REPLACE FUNCTION bounded() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    owner bigint;
    found bigint;
BEGIN
    -- In the order of their ids: two statements that touch the same owners must not wait for each other.
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
