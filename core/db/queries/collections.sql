-- name: keep_space
-- Remember a space the first time a collection uses it.
INSERT INTO spaces (id, pack, dimension, contract)
VALUES (%(id)s, %(pack)s, %(dimension)s, %(contract)s)
ON CONFLICT (id) DO NOTHING;

-- name: insert
INSERT INTO collections (name, external_id, metadata, space_id, threshold, threshold_source,
                         quality_gate, keeps_queries, keeps)
VALUES (%(name)s, %(external_id)s, %(metadata)s, %(space_id)s, %(threshold)s, %(threshold_source)s,
        %(quality_gate)s, %(keeps_queries)s, %(keeps)s)
RETURNING id;

-- name: get
SELECT collections.id, collections.name, collections.external_id, collections.metadata,
       collections.space_id, spaces.pack, spaces.dimension,
       collections.threshold AS fixed_threshold, collections.threshold_source AS fixed_source,
       collections.alarm_budget, collections.impostors, collections.quality_gate,
       collections.layout, collections.ef_search, collections.keeps_queries, collections.keeps,
       collections.image_count, collections.face_count,
       collections.person_count, collections.created_at, collections.updated_at
  FROM collections JOIN spaces ON spaces.id = collections.space_id
 WHERE collections.id = %(id)s;

-- name: id_by_name
SELECT id FROM collections WHERE name = %(name)s;

-- name: page
-- Oldest first, so that a page of a growing list never moves.
SELECT collections.id, collections.name, collections.external_id, collections.metadata,
       collections.space_id, spaces.pack, spaces.dimension,
       collections.threshold AS fixed_threshold, collections.threshold_source AS fixed_source,
       collections.alarm_budget, collections.impostors, collections.quality_gate,
       collections.layout, collections.ef_search, collections.keeps_queries, collections.keeps,
       collections.image_count, collections.face_count,
       collections.person_count, collections.created_at, collections.updated_at
  FROM collections JOIN spaces ON spaces.id = collections.space_id
 WHERE (%(after)s::uuid IS NULL OR collections.id > %(after)s)
   AND (%(external_id)s::text IS NULL OR collections.external_id = %(external_id)s)
 ORDER BY collections.id
 LIMIT %(limit)s;

-- name: update
-- A null keeps what is there; external_id is cleared with an empty text, the budget and
-- ef_search with a zero.
UPDATE collections
   SET name = coalesce(%(name)s, name),
       external_id = CASE WHEN %(external_id)s::text IS NULL THEN external_id
                          ELSE nullif(%(external_id)s, '') END,
       metadata = coalesce(%(metadata)s, metadata),
       threshold = coalesce(%(threshold)s, threshold),
       threshold_source = coalesce(%(threshold_source)s, threshold_source),
       quality_gate = coalesce(%(quality_gate)s, quality_gate),
       alarm_budget = CASE WHEN %(alarm_budget)s::integer IS NULL THEN alarm_budget
                           ELSE nullif(%(alarm_budget)s::integer, 0) END,
       impostors = coalesce(%(impostors)s, impostors),
       ef_search = CASE WHEN %(ef_search)s::smallint IS NULL THEN ef_search
                        ELSE nullif(%(ef_search)s::smallint, 0) END,
       keeps_queries = coalesce(%(keeps_queries)s, keeps_queries),
       keeps = coalesce(%(keeps)s, keeps),
       updated_at = now()
 WHERE id = %(id)s;

-- name: count
-- Keep the counters; the last thing in the transaction that moved the rows, since others wait for it.
UPDATE collections
   SET image_count = image_count + %(images)s, face_count = face_count + %(faces)s,
       person_count = person_count + %(people)s
 WHERE id = %(id)s;

-- name: close_gate
-- Lets in nobody else (see `hold`). A lock on the row alone would be overtaken for ever by those who
-- share the row, as long as one of them is always there.
SELECT pg_advisory_xact_lock(hashtextextended('facesearch.collection.' || %(id)s::uuid::text, 0));

-- name: lock
-- Nobody deletes, moves or fills the collection until this transaction ends.
SELECT 1 FROM collections WHERE id = %(id)s FOR UPDATE;

-- name: hold
-- Whoever changes what is in a collection takes this first, then images, items and faces: in one
-- order, nobody waits in a circle with whoever deletes or moves the collection.
SELECT id FROM collections WHERE id = ANY(%(ids)s) ORDER BY id FOR KEY SHARE;

-- name: pass_gates
SELECT pg_advisory_xact_lock_shared(hashtextextended('facesearch.collection.' || id::text, 0))
  FROM (SELECT unnest(%(ids)s::uuid[]) AS id ORDER BY id) AS sorted;

-- name: plan_keys_once
-- For the foreign keys of what is written next: planned anew for each row they take ten times as long,
-- and before the table is analysed they may walk through a whole new collection for each.
SELECT set_config('plan_cache_mode', 'auto', true);

-- name: delete_faces
DELETE FROM faces WHERE collection_id = %(id)s;

-- name: plan_once
-- For the foreign keys of what is deleted next: they would be planned anew for every row. By their
-- indexes, since the session keeps the plans, and the tables may be nearly empty now.
SELECT set_config('plan_cache_mode', 'force_generic_plan', true),
       set_config('enable_seqscan', 'off', true);

-- name: delete_items
DELETE FROM items WHERE collection_id = %(id)s;

-- name: delete_images
DELETE FROM images WHERE collection_id = %(id)s;

-- name: delete_people
DELETE FROM people WHERE collection_id = %(id)s;

-- name: delete_constraints
DELETE FROM constraints WHERE collection_id = %(id)s;

-- name: delete_person_events
DELETE FROM person_events WHERE collection_id = %(id)s;

-- name: delete_events
DELETE FROM assignment_events WHERE collection_id = %(id)s;

-- name: delete
-- What is left of it in other tables follows by foreign key.
DELETE FROM collections WHERE id = %(id)s RETURNING image_count, face_count, layout;
