-- Triggers that decide under a lock: see storage/functions/locks.sql.

---------------------------------------------------------------------------------------------------- bounds

CREATE FUNCTION bounded() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';

CREATE TRIGGER most_circles AFTER INSERT ON circles REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION bounded('owner_id', '50', 'true', 'nobody has more than %s circles');
CREATE TRIGGER most_members AFTER INSERT ON circle_members REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION bounded('circle_id', '500', 'true', 'a circle has no more than %s people');
CREATE TRIGGER most_open_rooms AFTER INSERT ON rooms REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION 
    bounded('owner_id', '20', $$state <> 'ended'$$, 'nobody has more than %s rooms open: close some');
CREATE TRIGGER most_on_stage AFTER INSERT ON room_roles REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION
    bounded('room_id', '100', $$role <> 'listener'$$, 'no more than %s are on a stage');
-- A second trigger, because one with a transition table cannot fire on two events.
CREATE TRIGGER most_on_stage_by_update AFTER UPDATE ON room_roles REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION
    bounded('room_id', '100', $$role <> 'listener'$$, 'no more than %s are on a stage');

---------------------------------------------------------------------------------------------------- follows and blocks

CREATE FUNCTION tie_decided() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER tie_decided BEFORE INSERT ON follows FOR EACH ROW EXECUTE FUNCTION tie_decided();

CREATE FUNCTION tie_to_somebody() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER tie_to_somebody BEFORE INSERT ON blocks FOR EACH ROW EXECUTE FUNCTION tie_to_somebody();

---------------------------------------------------------------------------------------------------- invitations

CREATE FUNCTION invitation_allowed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER invitation_allowed BEFORE INSERT ON room_invitations
    FOR EACH ROW EXECUTE FUNCTION invitation_allowed();
CREATE INDEX room_invitations_by_time ON room_invitations (user_id, created_at);
DROP INDEX room_invitations_of_user;

---------------------------------------------------------------------------------------------------- suspension

CREATE FUNCTION status_changed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER status_changed AFTER UPDATE OF status ON users
    FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION status_changed();
