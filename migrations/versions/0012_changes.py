"""The history of people: who changed what together, and what was decided about faces.

Why: every change of people can be looked at and undone, also later and in part, and the present state
can be made again from the events. An event names its change; null is one of before, or of a release
that knows no changes: to give old events one would rewrite the table, and the old release, which writes
events while this runs, could write none. People who exist get an event that says so.
Old code while this runs: works; what it does to people is in no history, and what it renames or deletes
would be taken back by `people rebuild`.
Locks: ACCESS EXCLUSIVE on faces and on halfway partitions for an instant (a constant default rewrites
nothing); SHARE on assignment_events while it is sorted for two indexes, some seconds for a million events;
people are read once.
Undo: drop constraints, person_events and changes; ALTER TABLE faces DROP COLUMN hidden; drop
assignment_events.change_id and put assignment_events_by_face (face_id, id) back.
"""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Make the tables, note who is there, and let faces be hidden."""
    op.execute("SET LOCAL statement_timeout = '1h'")
    op.execute(_CHANGES)
    op.execute(_CONSTRAINTS)
    op.execute(_HIDDEN)
    op.execute(_BASELINE)


_CHANGES = """
    CREATE TABLE changes (
        id uuid PRIMARY KEY DEFAULT uuidv7(),
        collection_id uuid NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
        kind text NOT NULL CHECK (kind IN ('baseline', 'create', 'edit', 'delete', 'assign', 'unassign',
                                           'merge', 'split', 'decide', 'enrol', 'undo')),
        actor text NOT NULL,
        undoes uuid REFERENCES changes (id),
        CHECK ((kind = 'undo') = (undoes IS NOT NULL))
    );
    COMMENT ON TABLE changes IS 'What one actor did at one time; its events name it. The id tells when.';
    COMMENT ON COLUMN changes.undoes IS 'The change that this one takes back, wholly or in part.';
    CREATE INDEX changes_by_collection ON changes (collection_id, id);
    CREATE INDEX changes_by_undone ON changes (undoes) WHERE undoes IS NOT NULL;

    ALTER TABLE assignment_events ADD COLUMN change_id uuid REFERENCES changes (id);
    COMMENT ON COLUMN assignment_events.change_id IS 'Null: of before there were changes.';
    CREATE INDEX assignment_events_by_change ON assignment_events (change_id)
        WHERE change_id IS NOT NULL;
    DROP INDEX assignment_events_by_face;
    CREATE INDEX assignment_events_by_face ON assignment_events (collection_id, face_id, id);
    CREATE INDEX assignment_events_by_person ON assignment_events (person_id, change_id)
        WHERE person_id IS NOT NULL;
    CREATE INDEX assignment_events_by_previous_person ON assignment_events
        (previous_person_id, change_id) WHERE previous_person_id IS NOT NULL;

    CREATE TABLE person_events (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        collection_id uuid NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
        change_id uuid NOT NULL REFERENCES changes (id),
        person_id uuid NOT NULL,
        before jsonb,
        after jsonb,
        CHECK (before IS NOT NULL OR after IS NOT NULL)
    );
    COMMENT ON COLUMN person_events.before IS
        'name, external_id and metadata; null: the person was made. No key to people: it outlives them.';
    COMMENT ON COLUMN person_events.after IS 'Null: the person was deleted.';
    CREATE INDEX person_events_by_change ON person_events (change_id);
    CREATE INDEX person_events_by_person ON person_events (collection_id, person_id, id);
"""

_CONSTRAINTS = """
    CREATE TABLE constraints (
        id uuid PRIMARY KEY DEFAULT uuidv7(),
        collection_id uuid NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
        kind text NOT NULL,
        face_id uuid NOT NULL,
        other_face_id uuid,
        person_id uuid,
        change_id uuid NOT NULL REFERENCES changes (id),
        withdrawn_by uuid REFERENCES changes (id),
        CHECK (CASE kind
                   WHEN 'must_link' THEN face_id < other_face_id AND person_id IS NULL
                                         AND other_face_id IS NOT NULL
                   WHEN 'cannot_link' THEN face_id < other_face_id AND person_id IS NULL
                                           AND other_face_id IS NOT NULL
                   WHEN 'not_person' THEN other_face_id IS NULL AND person_id IS NOT NULL
                   WHEN 'not_face' THEN other_face_id IS NULL AND person_id IS NULL
                   ELSE false END)
    );
    COMMENT ON TABLE constraints IS
        'What was decided about faces. Those of faces or people that are gone stay and mean nothing: '
        'a person may come back by an undo.';
    COMMENT ON COLUMN constraints.withdrawn_by IS 'The change that took it back; null: it holds.';
    CREATE UNIQUE INDEX constraints_once ON constraints
        (collection_id, face_id, kind, other_face_id, person_id) NULLS NOT DISTINCT
        WHERE withdrawn_by IS NULL;
    CREATE INDEX constraints_by_collection ON constraints (collection_id);
    CREATE INDEX constraints_by_other_face ON constraints (collection_id, other_face_id)
        WHERE other_face_id IS NOT NULL AND withdrawn_by IS NULL;
    CREATE INDEX constraints_by_person ON constraints (collection_id, person_id)
        WHERE person_id IS NOT NULL;
    CREATE INDEX constraints_by_change ON constraints (change_id);
    CREATE INDEX constraints_by_withdrawal ON constraints (withdrawn_by)
        WHERE withdrawn_by IS NOT NULL;
"""

_HIDDEN = """
    ALTER TABLE faces ADD COLUMN hidden boolean NOT NULL DEFAULT false;
    COMMENT ON COLUMN faces.hidden IS
        'Somebody said that it is no face: it is not found, not counted, and has no person.';
    -- Partitions that are being made are no part of faces yet, and get its rows column by column.
    DO $$
    DECLARE halfway regclass;
    BEGIN
        FOR halfway IN
            SELECT oid FROM pg_class
             WHERE relkind = 'r' AND NOT relispartition AND relname ~ '^faces_c_[0-9a-f]{32}$'
               AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'faces'::regclass)
        LOOP
            EXECUTE format('ALTER TABLE %s ADD COLUMN hidden boolean NOT NULL DEFAULT false', halfway);
        END LOOP;
    END $$;
"""

_BASELINE = """
    INSERT INTO changes (collection_id, kind, actor)
    SELECT id, 'baseline', 'migration' FROM collections
     WHERE EXISTS (SELECT FROM people WHERE people.collection_id = collections.id);
    INSERT INTO person_events (collection_id, change_id, person_id, after)
    SELECT people.collection_id, changes.id, people.id,
           jsonb_build_object('name', people.name, 'external_id', people.external_id,
                              'metadata', people.metadata)
      FROM people JOIN changes ON changes.collection_id = people.collection_id;
"""
