-- The audit trail: rows are only added, and a chain of hashes proves that none was changed, removed or added between
-- others since it was sealed.

-- Notes a new row for the sealer.
CREATE OR REPLACE FUNCTION audit_noted() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO audit_unsealed (audit_id) VALUES (NEW.id);
    RETURN NULL;
END $$;

-- Refuses changes of the trail and the chain. Only address and browser may be removed, when their account is erased.
CREATE OR REPLACE FUNCTION audit_kept() RETURNS trigger
    LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF to_jsonb(NEW) = to_jsonb(OLD) || '{"ip": null, "user_agent": null}' THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE insufficient_privilege USING MESSAGE = 'audit rows cannot be changed';
END $$;

-- The hash of a row that follows the one with the hash `previous`. Each field has its length before it, so that no text
-- can pass for two fields. Address and browser are left out: they are erased with their account. `_hash` in
-- storage/audit_chain.py computes the same.
CREATE OR REPLACE FUNCTION audit_hash(previous bytea, sealed audit) RETURNS bytea
    LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT sha256(previous || convert_to(string_agg(coalesce(char_length(f.field) || ':' || f.field, '-'), ','
                                                    ORDER BY f.place), 'UTF8'))
    FROM unnest(ARRAY [sealed.id::text, sealed.actor_id::text, sealed.action, sealed.resource, sealed.changes::text,
                       (extract(epoch FROM sealed.recorded_at) * 1000000)::bigint::text])
        WITH ORDINALITY AS f (field, place)
$$;

-- Adds the oldest unsealed rows to the chain; returns how many. One process seals at a time: another gets 0.
CREATE OR REPLACE FUNCTION seal_audit(amount integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    first bigint;
    free bigint;
    digest bytea;
    sealed audit;
BEGIN
    IF viewer_id() IS NOT NULL OR NOT pg_try_advisory_xact_lock(hashtext('daira_audit_chain')) THEN
        RETURN 0;
    END IF;
    SELECT c.place, c.hash INTO first, digest FROM audit_chain c ORDER BY c.place DESC LIMIT 1;
    first := coalesce(first, 0) + 1;
    free := first;
    digest := coalesce(digest, '');
    FOR sealed IN SELECT a.* FROM audit_unsealed u JOIN audit a ON a.id = u.audit_id ORDER BY u.audit_id LIMIT amount LOOP
        digest := audit_hash(digest, sealed);
        INSERT INTO audit_chain (place, audit_id, hash) VALUES (free, sealed.id, digest);
        free := free + 1;
    END LOOP;
    DELETE FROM audit_unsealed u USING audit_chain c WHERE c.audit_id = u.audit_id AND c.place >= first;
    RETURN free - first;
END $$;
GRANT EXECUTE ON FUNCTION seal_audit TO daira_worker;

-- For how many seconds the oldest row has waited to be sealed.
CREATE OR REPLACE FUNCTION audit_backlog() RETURNS double precision
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT greatest(0, coalesce(extract(epoch FROM now() - (
        SELECT a.recorded_at FROM audit_unsealed u JOIN audit a ON a.id = u.audit_id ORDER BY u.audit_id LIMIT 1)), 0))::float8
$$;
GRANT EXECUTE ON FUNCTION audit_backlog TO daira_app, daira_worker;
