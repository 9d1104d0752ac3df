-- name: lock
-- Of the session, since building concurrently cannot be part of a transaction.
SELECT pg_try_advisory_lock(hashtextextended('facesearch.indexes', 0));

-- name: unlock
SELECT pg_advisory_unlock(hashtextextended('facesearch.indexes', 0));

-- name: is_locked
-- A key of 64 bits is shown in two halves.
SELECT EXISTS (
    SELECT FROM pg_locks, hashtextextended('facesearch.indexes', 0) AS key
     WHERE locktype = 'advisory' AND granted AND objsubid = 1
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND classid::bigint = (key >> 32) & 4294967295 AND objid::bigint = key & 4294967295);

-- name: server
-- What bounds the memory and the processes of a build.
SELECT pg_size_bytes(current_setting('effective_cache_size')) AS cache_bytes,
       current_setting('max_parallel_maintenance_workers')::int AS workers;

-- name: build_settings
-- Of the session that builds: no bound on its time, and the memory that the graph takes.
SELECT set_config('statement_timeout', '0', false),
       set_config('maintenance_work_mem', %(memory_kib)s || 'kB', false),
       set_config('max_parallel_maintenance_workers', %(workers)s, false);

-- name: create_hnsw
CREATE INDEX CONCURRENTLY {name} ON {table}
 USING hnsw ((embedding::halfvec({dimension})) halfvec_cosine_ops)
  WITH (m = {links}, ef_construction = 128);

-- name: create_bit
-- The sign of each number, a sixteenth of the bytes; whoever searches ranks again by the vectors.
CREATE INDEX CONCURRENTLY {name} ON {table}
 USING hnsw ((binary_quantize(embedding::halfvec({dimension}))::bit({dimension})) bit_hamming_ops)
  WITH (m = {links}, ef_construction = 128);

-- name: rename
ALTER INDEX {old} RENAME TO {new};

-- name: rebuild
REINDEX INDEX CONCURRENTLY {name};

-- name: set_links
ALTER INDEX {name} SET (m = {links});

-- name: vacuum
VACUUM {table};

-- name: drop
DROP INDEX CONCURRENTLY IF EXISTS {name};

-- name: is_valid
SELECT coalesce(bool_and(indisvalid AND indisready), false)
  FROM pg_index WHERE indexrelid = to_regclass(%(name)s);

-- name: useless
-- What a broken rebuild left beside the index it was to replace, broken builds and trials, and the
-- indexes of earlier versions on leaves that hold many collections.
SELECT class.relname
  FROM pg_class AS class JOIN pg_index ON pg_index.indexrelid = class.oid
 WHERE (NOT indisvalid AND class.relname ~ '^faces_c_[0-9a-f]{32}_(hnsw|bit)(_cc(new|old)[0-9]*)?$')
    OR class.relname ~ '^faces_c_[0-9a-f]{32}_bit_trial'
    OR class.relname ~ '^faces_hnsw_[0-9a-f]{32}$'
 ORDER BY class.relname;

-- name: tables
-- The collections that have an own table, or are as large as those that should, or have work.
SELECT collections.id AS collection_id, collections.name, collections.layout, spaces.dimension,
       collections.face_count AS faces, collections.image_count AS images,
       CASE WHEN collections.layout = 'own' THEN pg_table_size(class.oid) END AS heap_bytes,
       CASE WHEN collections.layout = 'own'
            THEN coalesce(pg_stat_get_dead_tuples(class.oid), 0) ELSE 0 END AS dead
  FROM collections
  JOIN spaces ON spaces.id = collections.space_id
  LEFT JOIN pg_class AS class
    ON class.oid = to_regclass('faces_c_' || replace(collections.id::text, '-', ''))
 WHERE (%(collection_id)s::uuid IS NULL OR collections.id = %(collection_id)s)
   AND (%(collection_id)s::uuid IS NOT NULL OR collections.layout = 'own'
        OR collections.face_count > %(least_faces)s
        OR EXISTS (SELECT FROM index_work WHERE index_work.collection_id = collections.id
                                            AND index_work.state IN ('waiting', 'running')))
   AND (%(after)s::uuid IS NULL OR collections.id > %(after)s)
 ORDER BY collections.id
 LIMIT %(limit)s;

-- name: indexes
-- The vector indexes of collections on their own tables.
SELECT collections.id AS collection_id, kinds.kind,
       pg_index.indisvalid AND pg_index.indisready AS valid,
       pg_relation_size(pg_index.indexrelid) AS bytes,
       (SELECT option_value::int FROM pg_options_to_table(class.reloptions)
         WHERE option_name = 'm') AS links
  FROM collections
 CROSS JOIN (VALUES ('hnsw'), ('bit')) AS kinds (kind)
  JOIN pg_index ON pg_index.indexrelid = to_regclass(
       'faces_c_' || replace(collections.id::text, '-', '') || '_' || kinds.kind)
  JOIN pg_class AS class ON class.oid = pg_index.indexrelid
 WHERE collections.id = ANY(%(collection_ids)s)
 ORDER BY collections.id, kinds.kind;

-- name: incoming
-- How many photos of a collection wait or are looked at, and when the last one was finished.
SELECT (SELECT count(*) FROM items WHERE collection_id = %(collection_id)s
                                     AND state IN ('waiting', 'running')) AS photos,
       (SELECT max(created_at) FROM jobs WHERE collection_id = %(collection_id)s) AS last_upload;

-- name: progress
-- Of the build that runs on a collection's table. pgvector counts the blocks that it has read; the
-- other phases count what they wait for, or tuples.
SELECT progress.phase, progress.lockers_done, progress.lockers_total,
       progress.blocks_done, progress.blocks_total, progress.tuples_done, progress.tuples_total
  FROM pg_stat_progress_create_index AS progress
 WHERE progress.datname = current_database()
   AND progress.relid = to_regclass('faces_c_' || replace(%(collection_id)s::uuid::text, '-', ''));
