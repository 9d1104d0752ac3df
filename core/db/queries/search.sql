-- name: scored_exact
-- Every face of the collection with its cosine.
SELECT id, image_id, person_id,
       1 - (embedding <=> %(embedding)s::halfvec) AS cosine
  FROM faces
 WHERE collection_id = %(collection_id)s
   AND (%(without_face)s::uuid IS NULL OR id <> %(without_face)s)
   AND (%(without_person)s::uuid IS NULL OR person_id IS DISTINCT FROM %(without_person)s)

-- name: scored_hnsw
-- The nearest faces by the collection's own index. The cast and the bare operator must repeat the
-- index's expression, and the collection its predicate, or the index is not used.
SELECT id, image_id, person_id,
       1 - (embedding::halfvec({dimension}) <=> %(embedding)s::halfvec({dimension})) AS cosine
  FROM faces
 WHERE collection_id = {collection_id}
   AND (%(without_face)s::uuid IS NULL OR id <> %(without_face)s)
   AND (%(without_person)s::uuid IS NULL OR person_id IS DISTINCT FROM %(without_person)s)
 ORDER BY embedding::halfvec({dimension}) <=> %(embedding)s::halfvec({dimension})
 LIMIT %(candidates)s

-- name: ranked
-- Group scored faces (by person, or each face alone), rank the groups, and say how far behind the
-- best face of the next other named person is. Unnamed faces are groups of their own.
WITH scored AS MATERIALIZED (
    SELECT *, CASE WHEN %(by_person)s THEN coalesce(person_id, id) ELSE id END AS key
      FROM ({scored}) AS found
), people_best AS MATERIALIZED (
    -- Once, not again for each row of the answer. Whoever is better than the last row is a row
    -- or owns one; behind it, the next and one more, since the next may be its own person.
    SELECT person_id, max(cosine) AS best
      FROM scored WHERE person_id IS NOT NULL GROUP BY person_id
     ORDER BY best DESC
     LIMIT %(limit)s + 2
), grouped AS (
    SELECT key, max(cosine) AS best,
           count(*) FILTER (WHERE cosine >= %(threshold)s) AS supporting
      FROM scored GROUP BY key
     ORDER BY best DESC, key
     LIMIT %(limit)s
), placed AS (
    SELECT DISTINCT ON (grouped.key)
           scored.id AS face_id, scored.image_id, scored.person_id, scored.cosine,
           grouped.supporting
      FROM grouped JOIN scored ON scored.key = grouped.key AND scored.cosine = grouped.best
     ORDER BY grouped.key, scored.id
)
SELECT placed.face_id, placed.image_id, placed.person_id, people.name AS person_name,
       placed.cosine,
       placed.cosine - (SELECT max(people_best.best) FROM people_best
                         WHERE people_best.best <= placed.cosine
                           AND people_best.person_id IS DISTINCT FROM placed.person_id) AS margin,
       placed.supporting, faces.box, faces.quality, images.filename, images.width, images.height
  FROM placed
  JOIN faces ON faces.collection_id = %(collection_id)s AND faces.id = placed.face_id
  JOIN images ON images.id = placed.image_id
  LEFT JOIN people ON people.id = placed.person_id
 ORDER BY placed.cosine DESC, placed.face_id;

-- name: search_settings
-- For the transaction of one search.
SELECT set_config('statement_timeout', %(timeout_ms)s, true),
       set_config('hnsw.ef_search', %(ef_search)s, true),
       set_config('hnsw.iterative_scan', 'relaxed_order', true);

-- name: prefer_index
-- Takes away the only other way to get rows in order, so that our choice is the planner's.
SELECT set_config('enable_sort', 'off', true);

-- name: index_is_ready
SELECT coalesce(bool_or(indisvalid AND indisready), false)
  FROM pg_index WHERE indexrelid = to_regclass(%(name)s);

-- name: lock_maintenance
-- Of the session, since building concurrently cannot be part of a transaction.
SELECT pg_try_advisory_lock(hashtextextended('facesearch.indexes', 0));

-- name: leaf
-- The partition that holds a collection's faces.
SELECT faces.tableoid::regclass::text FROM faces WHERE collection_id = %(collection_id)s LIMIT 1;

-- name: build_index
-- One graph per collection: its recall does not depend on its neighbours.
CREATE INDEX CONCURRENTLY {name} ON {leaf}
 USING hnsw ((embedding::halfvec({dimension})) halfvec_cosine_ops)
  WITH (m = 16, ef_construction = 128)
 WHERE collection_id = {collection_id};

-- name: drop_index
DROP INDEX CONCURRENTLY IF EXISTS {name};

-- name: indexes
-- Our indexes, whether they are usable, and whether their collection is still large enough
-- (half the limit, so that a collection at the limit is not built and dropped in turns).
SELECT class.relname AS name,
       coalesce(collections.face_count >= %(exact_max)s / 2, false) AS wanted
  FROM pg_class AS class
  LEFT JOIN collections
         ON class.relname = 'faces_hnsw_' || replace(collections.id::text, '-', '')
 WHERE class.relkind = 'i' AND class.relname LIKE 'faces\_hnsw\_%%';

-- name: unindexed
-- Collections that are too large for exact search and have no usable index yet.
SELECT collections.id, spaces.dimension
  FROM collections JOIN spaces ON spaces.id = collections.space_id
 WHERE collections.face_count > %(exact_max)s
   AND NOT coalesce((SELECT indisvalid FROM pg_index
                      WHERE indexrelid = to_regclass(
                            'faces_hnsw_' || replace(collections.id::text, '-', ''))), false)
 ORDER BY collections.face_count;
