-- name: server
-- What can be known of the server, of older ones too, and of this session before a table is looked at.
SELECT current_setting('server_version_num')::integer / 10000 AS major,
       (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS vector,
       (SELECT default_version FROM pg_available_extensions WHERE name = 'vector')
           AS available_vector,
       to_regclass('alembic_version') IS NOT NULL AS migrated,
       pg_is_in_recovery() AS is_replica,
       current_setting('jit')::boolean AS jit,
       current_setting('plan_cache_mode') AS plan_cache_mode,
       pg_size_bytes(current_setting('work_mem')) AS work_mem,
       pg_size_bytes(current_setting('shared_buffers')) AS shared_buffers,
       pg_size_bytes(current_setting('max_wal_size')) AS max_wal_size,
       current_setting('max_parallel_workers')::integer AS parallel_workers,
       current_setting('max_parallel_maintenance_workers')::integer AS build_workers,
       current_setting('dynamic_shared_memory_type') AS shared_memory,
       current_setting('max_connections')::integer
           - current_setting('superuser_reserved_connections')::integer
           - coalesce(current_setting('reserved_connections', true), '0')::integer AS connections;

-- name: revision
SELECT version_num FROM alembic_version;

-- name: graphs
-- All search indexes together, and the partitions that they lead into.
SELECT count(*) AS indexes,
       coalesce(sum(pg_relation_size(index.oid)), 0)::bigint AS index_bytes,
       coalesce(sum(pg_relation_size(pg_index.indrelid)), 0)::bigint AS face_bytes
  FROM pg_class AS index
  JOIN pg_am ON pg_am.oid = index.relam AND pg_am.amname = 'hnsw'
  JOIN pg_index ON pg_index.indexrelid = index.oid
 WHERE index.relkind = 'i';

-- name: broken_indexes
-- What a build that was cut off left, of any kind; those that are being built are not broken.
SELECT index.relname AS name
  FROM pg_index JOIN pg_class AS index ON index.oid = pg_index.indexrelid
 WHERE NOT pg_index.indisvalid
   AND index.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'faces'::regclass)
   AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS building
                    WHERE building.index_relid = index.oid
                       OR building.relid = pg_index.indrelid)
 ORDER BY index.relname
 LIMIT 10;

-- name: odd_layouts
-- Collections that are not where their row says, or whose own partition is large and has no usable
-- search index, unless somebody is at it.
WITH partitions AS (
    SELECT class.oid, substr(class.relname, 9)::uuid AS collection_id
      FROM pg_inherits JOIN pg_class AS class ON class.oid = pg_inherits.inhrelid
     WHERE pg_inherits.inhparent = 'faces'::regclass
       AND class.relname ~ '^faces_c_[0-9a-f]{32}$'
), own AS (
    SELECT id, name, face_count, layout FROM collections
     WHERE layout = 'own' OR id IN (SELECT collection_id FROM partitions)
)
SELECT own.id, own.name, own.layout = 'own' AS says_own, partitions.oid IS NOT NULL AS is_own
  FROM own LEFT JOIN partitions ON partitions.collection_id = own.id
 WHERE NOT EXISTS (SELECT FROM index_work
                    WHERE index_work.collection_id = own.id
                      AND index_work.state IN ('waiting', 'running'))
   AND ((own.layout = 'own') <> (partitions.oid IS NOT NULL)
        OR own.face_count > %(promote_faces)s
           AND NOT EXISTS (SELECT FROM pg_index
                             JOIN pg_class AS index ON index.oid = pg_index.indexrelid
                             JOIN pg_am ON pg_am.oid = index.relam AND pg_am.amname = 'hnsw'
                            WHERE pg_index.indrelid = partitions.oid AND pg_index.indisvalid))
 ORDER BY own.face_count DESC
 LIMIT 10;

-- name: build_memory
-- For the transaction of one test.
SELECT set_config('maintenance_work_mem', %(memory)s, true),
       set_config('max_parallel_maintenance_workers', '1', true);

-- name: allocate
-- As a parallel build of an index does: all its memory at once, in a segment that processes share.
-- The table has no face and is gone with the transaction.
CREATE TABLE facesearch_memory_test (embedding halfvec(2)) WITH (parallel_workers = 1);
CREATE INDEX ON facesearch_memory_test USING hnsw (embedding halfvec_cosine_ops);
