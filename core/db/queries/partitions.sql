-- name: lock
-- One session at a time moves a collection, and gives the lock back when it ends at the latest.
SELECT pg_try_advisory_lock(hashtextextended('facesearch.partition.' || %(collection_id)s::text, 0));

-- name: unlock
SELECT pg_advisory_unlock(hashtextextended('facesearch.partition.' || %(collection_id)s::text, 0));

-- name: patience
-- A waiting strong lock makes everybody behind it wait too. Below deadlock_timeout, so that in a
-- circle it is always we who give in.
SELECT set_config('lock_timeout', %(timeout_ms)s || 'ms', true);

-- name: layout
SELECT layout, face_count FROM collections WHERE id = %(collection_id)s;

-- name: leaves
-- The hash partitions of the tail, and which of them holds the faces of a collection.
SELECT class.relname AS name,
       satisfies_hash_partition(
           'faces_tail'::regclass,
           substring(bound.text FROM 'modulus (\d+)')::integer,
           substring(bound.text FROM 'remainder (\d+)')::integer,
           %(collection_id)s::uuid) AS home
  FROM pg_inherits
  JOIN pg_class AS class ON class.oid = pg_inherits.inhrelid
 CROSS JOIN LATERAL pg_get_expr(class.relpartbound, class.oid) AS bound (text)
 WHERE pg_inherits.inhparent = 'faces_tail'::regclass
 ORDER BY class.relname;

-- name: is_whole
-- Whether a table that an earlier try left can be gone on with: it has the columns of `faces`, and has
-- missed nothing that was written, since it was made together with its two triggers.
SELECT to_regclass(%(table)s) IS NOT NULL
   AND (SELECT count(*) = 2 FROM pg_trigger
         WHERE tgrelid = to_regclass(%(leaf)s) AND tgname IN (%(stored)s, %(gone)s))
   AND NOT EXISTS (
       SELECT FROM (SELECT attname, atttypid, attnotnull FROM pg_attribute
                     WHERE attrelid = 'faces'::regclass AND attnum > 0 AND NOT attisdropped) AS wanted
         FULL JOIN (SELECT attname, atttypid, attnotnull FROM pg_attribute
                     WHERE attrelid = to_regclass(%(table)s) AND attnum > 0
                       AND NOT attisdropped) AS made
             USING (attname, atttypid, attnotnull)
        WHERE wanted IS NULL OR made IS NULL);

-- name: exists
SELECT to_regclass(%(table)s) IS NOT NULL;

-- name: create
-- With every index that `faces` has, so that attaching it makes none. Vacuum goes to work on an
-- HNSW index late (rebuilding one is cheaper) and then in one go.
CREATE TABLE {table} (LIKE faces INCLUDING ALL,
                      CONSTRAINT {only} CHECK (collection_id = {collection_id}))
  WITH (autovacuum_vacuum_scale_factor = 0.2, autovacuum_vacuum_cost_limit = 2000,
        autovacuum_analyze_scale_factor = 0.05);

-- name: mirror
-- What is written to the collection from now on is written to the new table too. An update puts the
-- new row in place of whatever is there, or there first: the copy never overwrites.
CREATE FUNCTION {mirror}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM {table} WHERE collection_id = OLD.collection_id AND id = OLD.id;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO {table} SELECT NEW.*;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER {stored} AFTER INSERT OR UPDATE ON {leaf} FOR EACH ROW
  WHEN (NEW.collection_id = {collection_id}) EXECUTE FUNCTION {mirror}();
-- The move itself ends with deleting the rows here, and those are to stay there.
CREATE TRIGGER {gone} AFTER DELETE ON {leaf} FOR EACH ROW
  WHEN (OLD.collection_id = {collection_id}
        AND current_setting('facesearch.moves', true) IS DISTINCT FROM {collection_id})
  EXECUTE FUNCTION {mirror}();

-- name: copy
-- Faces behind an id. They are locked, so that nobody changes one between being read here and being
-- seen there: the mirror would not find it, so that a change would fail at its copy, and a deleted face
-- would stay there, where no exchange comes about any more. Those that somebody else has locked are
-- left out: waiting for them could end in a circle.
WITH batch AS MATERIALIZED (
    SELECT * FROM ONLY {leaf}
     WHERE collection_id = %(collection_id)s AND (%(after)s::uuid IS NULL OR id > %(after)s)
     ORDER BY id
     LIMIT %(limit)s
       FOR SHARE SKIP LOCKED
), copied AS (
    INSERT INTO {table} SELECT * FROM batch ON CONFLICT (collection_id, id) DO NOTHING
)
SELECT count(*) AS faces, (array_agg(id ORDER BY id DESC))[1] AS last FROM batch;

-- name: copy_missing
-- What was left out.
WITH missing AS MATERIALIZED (
    SELECT home.* FROM ONLY {leaf} AS home
     WHERE home.collection_id = %(collection_id)s
       AND NOT EXISTS (SELECT 1 FROM {table} AS copied
                        WHERE copied.collection_id = %(collection_id)s AND copied.id = home.id)
       FOR SHARE SKIP LOCKED
)
INSERT INTO {table} SELECT * FROM missing ON CONFLICT (collection_id, id) DO NOTHING;

-- name: foreign_keys
-- Of `faces`, with what attaching compares, and whether the new table has it already.
SELECT conname AS name, pg_get_constraintdef(oid) AS definition,
       EXISTS (SELECT FROM pg_constraint AS made
                WHERE made.conrelid = to_regclass(%(table)s)
                  AND made.conname = wanted.conname) AS made
  FROM pg_constraint AS wanted
 WHERE conrelid = 'faces'::regclass AND contype = 'f'
 ORDER BY conname;

-- name: add_foreign_key
ALTER TABLE {table} ADD CONSTRAINT {name} {definition} NOT VALID;

-- name: exclude
-- Says that a leaf holds nothing of the collection, or attaching would read the leaf to find out.
ALTER TABLE {leaf} DROP CONSTRAINT IF EXISTS {name},
                   ADD CONSTRAINT {name} CHECK (collection_id <> {collection_id}) NOT VALID;

-- name: validate
ALTER TABLE {table} VALIDATE CONSTRAINT {name};

-- name: forget_constraint
ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name};

-- name: vacuum
VACUUM (ANALYZE) {table};

-- name: keep_vacuum_away
-- Vacuum would hold up the strong locks, and is not asked to leave before a second has gone by.
LOCK TABLE {leaf} IN SHARE UPDATE EXCLUSIVE MODE;

-- name: begin_move
SELECT set_config('facesearch.moves', %(collection_id)s::text, true),
       -- After a crash of the machine the move may be undone as a whole; nobody waits for the disk.
       set_config('synchronous_commit', 'off', true);

-- name: delete_moved
-- Only what is there just as it is here, byte for byte.
DELETE FROM ONLY {leaf} AS home USING {table} AS copied
 WHERE home.collection_id = %(collection_id)s
   AND copied.collection_id = %(collection_id)s AND copied.id = home.id
   AND home.* *= copied.*;

-- name: count
SELECT count(*) FROM ONLY {table} WHERE collection_id = %(collection_id)s;

-- name: stop_everybody
-- Attaching takes all of these, one by one; here in the order of searches. A search that has chosen its
-- partitions and waits for one of them would miss what has moved: so it must wait for `faces` itself,
-- before it chooses.
LOCK TABLE ONLY faces, images, people IN ACCESS EXCLUSIVE MODE;

-- name: attach
ALTER TABLE faces ATTACH PARTITION {table} FOR VALUES IN ({collection_id});

-- name: drop_mirror
-- The triggers go with their function.
DROP FUNCTION IF EXISTS {mirror}() CASCADE;

-- name: set_own
UPDATE collections SET layout = 'own' WHERE id = %(collection_id)s;

-- name: drop_table
DROP TABLE IF EXISTS {table};

-- name: leftovers
-- Collections of which something is left, a table, a mirror or a constraint, that is no partition in
-- use and is not to be gone on with either.
SELECT DISTINCT made.collection_id
  FROM (SELECT substring(relname FROM '^faces_c_([0-9a-f]{32})$')::uuid
          FROM pg_class
         WHERE relkind = 'r' AND relname LIKE 'faces\_c\_%%'
           AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'faces'::regclass)
         UNION ALL
        SELECT substring(proname FROM '^faces_c_([0-9a-f]{32})_mirror$')::uuid
          FROM pg_proc WHERE proname LIKE 'faces\_c\_%%'
         UNION ALL
        SELECT substring(conname FROM '^faces_not_([0-9a-f]{32})$')::uuid
          FROM pg_constraint WHERE conname LIKE 'faces\_not\_%%') AS made (collection_id)
  LEFT JOIN collections ON collections.id = made.collection_id
 WHERE made.collection_id IS NOT NULL AND collections.layout IS DISTINCT FROM 'own'
   AND NOT EXISTS (SELECT FROM index_work
                    WHERE index_work.collection_id = made.collection_id
                      AND index_work.action = 'promote'
                      AND index_work.state IN ('waiting', 'running'));
