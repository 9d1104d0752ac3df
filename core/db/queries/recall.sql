-- name: sample_settings
-- For the transaction that keeps a query: whoever searched waits for it, so it gives up early.
SELECT set_config('lock_timeout', '50ms', true),
       set_config('statement_timeout', '200ms', true),
       set_config('synchronous_commit', 'off', true);

-- name: keep_query
-- Whoever switches keeping off waits for this lock and then finds the row to delete; where the
-- collection is being changed at this moment, its query is not worth waiting for.
INSERT INTO query_samples (collection_id, embedding)
SELECT id, %(embedding)s FROM collections
 WHERE id = %(collection_id)s AND keeps_queries
   FOR SHARE SKIP LOCKED;

-- name: trim_queries
-- By chance: then the sample is of the last weeks and not of the last hour, without a time in it.
DELETE FROM query_samples
 WHERE id IN (SELECT id FROM query_samples WHERE collection_id = %(collection_id)s
               ORDER BY random() OFFSET %(most)s);

-- name: forget_queries
DELETE FROM query_samples WHERE collection_id = %(collection_id)s;

-- name: queries
SELECT embedding FROM query_samples WHERE collection_id = %(collection_id)s LIMIT %(limit)s;

-- name: some_faces
-- From pages chosen by chance, so that a large partition is not read for a few faces of it.
SELECT embedding
  FROM faces TABLESAMPLE SYSTEM (%(percent)s)
 WHERE collection_id = %(collection_id)s AND NOT hidden
 ORDER BY random() LIMIT %(limit)s;

-- name: copy_faces
-- A page of a collection's vectors, in order of their ids. Pages, because one long scan would hold
-- a lock that a deletion of the collection waits for.
COPY (SELECT id, embedding FROM faces
       WHERE collection_id = %(collection_id)s AND id > %(after)s AND NOT hidden
       ORDER BY id LIMIT %(limit)s) TO STDOUT (FORMAT BINARY)

-- name: present
-- Which of these faces are still there to be found.
SELECT id FROM faces
 WHERE collection_id = %(collection_id)s AND id = ANY(%(ids)s) AND NOT hidden;

-- name: due
-- Collections with an index whose last audit is old, or is of another kind or ef_search, or of a
-- fifth more or fewer faces; those longest without one first.
SELECT collections.id
  FROM collections
  LEFT JOIN pg_index AS hnsw ON hnsw.indexrelid =
            to_regclass('faces_c_' || replace(collections.id::text, '-', '') || '_hnsw')
  LEFT JOIN pg_index AS bits ON bits.indexrelid =
            to_regclass('faces_c_' || replace(collections.id::text, '-', '') || '_bit')
  LEFT JOIN LATERAL (
       SELECT id, kind, ef_search, faces FROM recall_audits
        WHERE recall_audits.collection_id = collections.id
        ORDER BY recall_audits.id DESC LIMIT 1) AS latest ON true
 WHERE collections.layout = 'own'
   AND (hnsw.indisvalid OR bits.indisvalid)
   AND (latest.id IS NULL
     OR uuid_extract_timestamp(latest.id) < now() - make_interval(hours => %(hours)s)
     OR latest.kind <> CASE WHEN hnsw.indisvalid THEN 'hnsw' ELSE 'bit' END
     OR latest.ef_search <> coalesce(collections.ef_search, %(ef_search)s)
     OR abs(collections.face_count - latest.faces) > latest.faces / 5)
 ORDER BY latest.id NULLS FIRST;

-- name: lock_audits
-- Of the session: an audit is many short transactions.
SELECT pg_try_advisory_lock(hashtextextended('facesearch.recall', 0));

-- name: unlock_audits
SELECT pg_advisory_unlock(hashtextextended('facesearch.recall', 0));

-- name: insert_audit
INSERT INTO recall_audits (collection_id, kind, ef_search, queries, stored_queries, faces,
                           recall_1, recall_10, mates, lost_mates, approximate_ms, exact_ms,
                           proposed_ef_search, applied, steps)
VALUES (%(collection_id)s, %(kind)s, %(ef_search)s, %(queries)s, %(stored_queries)s, %(faces)s,
        %(recall_1)s, %(recall_10)s, %(mates)s, %(lost_mates)s, %(approximate_ms)s, %(exact_ms)s,
        %(proposed_ef_search)s, %(applied)s, %(steps)s)
RETURNING id;

-- name: trim_audits
DELETE FROM recall_audits
 WHERE id IN (SELECT id FROM recall_audits WHERE collection_id = %(collection_id)s
               ORDER BY id DESC OFFSET %(most)s);

-- name: audits
-- Newest first.
SELECT id, collection_id, kind, ef_search, queries, stored_queries, faces, recall_1, recall_10,
       mates, lost_mates, approximate_ms, exact_ms, proposed_ef_search, applied, steps,
       uuid_extract_timestamp(id) AS audited_at
  FROM recall_audits
 WHERE collection_id = %(collection_id)s AND (%(before)s::uuid IS NULL OR id < %(before)s)
 ORDER BY id DESC LIMIT %(limit)s;

-- name: latest
-- The newest audit of each collection.
SELECT audit.id, audit.collection_id, audit.kind, audit.ef_search, audit.queries,
       audit.stored_queries, audit.faces, audit.recall_1, audit.recall_10, audit.mates,
       audit.lost_mates, audit.approximate_ms, audit.exact_ms, audit.proposed_ef_search,
       audit.applied, audit.steps, uuid_extract_timestamp(audit.id) AS audited_at
  FROM collections
 CROSS JOIN LATERAL (SELECT * FROM recall_audits WHERE collection_id = collections.id
                      ORDER BY id DESC LIMIT 1) AS audit
 ORDER BY audit.collection_id;
