-- name: near_exact
-- The nearest faces by looking at each. Adding zero keeps every index out of it.
SELECT id, collection_id, image_id, person_id, cluster_id,
       1 - (embedding <=> {probe}) AS cosine
  FROM {faces} AS faces
 WHERE collection_id = ANY(%(collections)s::uuid[]) AND NOT hidden{narrowed}
 ORDER BY (embedding <=> {probe}) + 0
 LIMIT %(candidates)s

-- name: near_hnsw
-- The nearest faces by the index of their partition. The cast and the bare operator must repeat the
-- index's expression, or it is not used. The walk through the graph may aim beside the probe.
SELECT id, collection_id, image_id, person_id, cluster_id,
       1 - (embedding::halfvec({dimension}) <=> {probe}::halfvec({dimension})) AS cosine
  FROM {faces} AS faces
 WHERE collection_id = ANY(%(collections)s::uuid[]) AND NOT hidden{narrowed}
 ORDER BY embedding::halfvec({dimension}) <=> {walk}::halfvec({dimension})
 LIMIT %(candidates)s

-- name: near_bit
-- The faces whose signs differ least, by the bit index; their cosines come from the vectors.
SELECT id, collection_id, image_id, person_id, cluster_id,
       1 - (embedding <=> {probe}) AS cosine
  FROM (SELECT id, collection_id, image_id, person_id, cluster_id, embedding
          FROM {faces} AS faces
         WHERE collection_id = ANY(%(collections)s::uuid[]) AND NOT hidden{narrowed}
         ORDER BY binary_quantize(embedding::halfvec({dimension}))::bit({dimension})
                  <~> binary_quantize({walk}::halfvec({dimension}))::bit({dimension})
         LIMIT %(candidates)s) AS alike

-- name: near_many
-- Several probes of one person: a face counts as near as the nearest of them. Whoever is among the
-- nearest N of all is among the nearest N of one.
SELECT DISTINCT ON (near.id) near.*
  FROM unnest(%(probes)s::halfvec[], %(walks)s::halfvec[]) AS probe(vector, walk)
 CROSS JOIN LATERAL ({near}) AS near
 ORDER BY near.id, near.cosine DESC

-- name: groups
-- The best face of each group, nearest group first, without those that were shown before. Rows
-- without a key are named people no nearer than the first group, for the margins.
WITH near AS MATERIALIZED (
    {near}
), best AS (
    SELECT DISTINCT ON (key) *
      FROM (SELECT *, {key} AS key FROM near) AS keyed
     WHERE key <> ALL(%(shown)s::uuid[])
     ORDER BY key, cosine DESC, id
), placed AS MATERIALIZED (
    SELECT * FROM best ORDER BY cosine DESC, key LIMIT %(limit)s
), rivals AS (
    SELECT person_id, collection_id, max(cosine) AS cosine FROM near WHERE person_id IS NOT NULL
     GROUP BY person_id, collection_id
    HAVING max(cosine) <= (SELECT max(cosine) FROM placed)
     ORDER BY cosine DESC
     LIMIT %(limit)s + 1
)
SELECT key, id AS face_id, collection_id, image_id, person_id, cluster_id, cosine,
       (SELECT count(*) FROM near) AS candidates
  FROM placed
 UNION ALL
SELECT NULL, NULL, collection_id, NULL, person_id, NULL, cosine, (SELECT count(*) FROM near)
  FROM rivals;

-- name: details
-- What is shown of each group: its best face among all its faces, not only among the candidates,
-- and how many of them reach the threshold. The groups are looked into before anything is joined to them:
-- the planner does not know how many faces a new collection has, and would look once for each.
WITH best AS MATERIALIZED (
    SELECT top.key, top.home, coalesce(members.face_id, top.face_id) AS face_id,
           coalesce(members.cosine, top.cosine) AS cosine,
           coalesce(members.supporting, (top.cosine >= top.threshold)::int) AS supporting
      FROM unnest(%(keys)s::uuid[], %(face_ids)s::uuid[], %(homes)s::uuid[], %(image_ids)s::uuid[],
                  %(person_ids)s::uuid[], %(cluster_ids)s::uuid[], %(cosines)s::float8[],
                  %(thresholds)s::float8[])
           AS top(key, face_id, home, image_id, person_id, cluster_id, cosine, threshold)
      LEFT JOIN LATERAL ({members}) AS members ON true
)
SELECT best.key, faces.id AS face_id, faces.collection_id, faces.image_id, faces.person_id,
       people.name AS person_name, faces.cluster_id, best.cosine, best.supporting,
       faces.box, faces.quality, images.filename, images.width, images.height, images.kept
  FROM best
  JOIN {faces} AS faces ON faces.collection_id = ANY(%(collections)s::uuid[])
            AND faces.collection_id = best.home AND faces.id = best.face_id
  JOIN images ON images.id = faces.image_id
  LEFT JOIN people ON people.id = faces.person_id;

-- name: members
-- No row for a face that is alone.
SELECT count(*) FILTER (WHERE member.cosine >= top.threshold) AS supporting,
       (array_agg(member.id ORDER BY member.cosine DESC, member.id))[1] AS face_id,
       max(member.cosine) AS cosine
  FROM (SELECT id, {cosine} AS cosine FROM {faces} AS faces
         WHERE collection_id = ANY(%(collections)s::uuid[]) AND collection_id = top.home
           AND {belongs} AND NOT hidden{narrowed}) AS member
HAVING count(*) > 0

-- name: cosine_of_one
1 - (embedding <=> %(probe)s::halfvec)

-- name: cosine_of_many
(SELECT max(1 - (embedding <=> probe.vector)) FROM unnest(%(probes)s::halfvec[]) AS probe(vector))

-- name: key_person
coalesce(person_id, cluster_id, id)

-- name: key_image
image_id

-- name: key_face
id

-- name: belongs_person
-- As two lookups in two indexes.
(person_id = top.person_id OR (person_id IS NULL AND cluster_id = top.cluster_id))

-- name: belongs_image
image_id = top.image_id

-- name: belongs_face
false

-- name: settings
-- For the transaction of one search.
SELECT set_config('statement_timeout', %(timeout_ms)s, true);

-- name: index_settings
-- For one index scan. Without sorting, the index is the only way to get rows in order, so that our
-- choice is the planner's; and what has no choice need not be planned each time.
SELECT set_config('enable_sort', 'off', true),
       set_config('plan_cache_mode', 'force_generic_plan', true),
       set_config('hnsw.ef_search', %(ef_search)s, true),
       set_config('hnsw.iterative_scan', 'relaxed_order', true),
       set_config('hnsw.max_scan_tuples', %(max_scan)s, true),
       set_config('hnsw.scan_mem_multiplier', '8', true);

-- name: no_index_settings
-- Behind an index scan, in the same transaction.
SELECT set_config('enable_sort', 'on', true),
       set_config('plan_cache_mode', 'force_custom_plan', true);

-- name: plan_once
-- For lookups by key in one table, in this transaction.
SELECT set_config('plan_cache_mode', 'force_generic_plan', true);

-- name: kinds
-- The usable indexes of these tables: the whole vectors first, where there are both.
SELECT DISTINCT ON (named.collection_id) named.collection_id, named.kind
  FROM unnest(%(collections)s::uuid[], %(names)s::text[], %(kinds)s::text[])
       WITH ORDINALITY AS named(collection_id, name, kind, place)
  JOIN pg_index ON pg_index.indexrelid = to_regclass(named.name)
 WHERE pg_index.indisvalid AND pg_index.indisready
 ORDER BY named.collection_id, named.place;

-- name: sample
-- How many faces of a random part of a partition meet each condition, and all of them.
SELECT count(*), count(*) FILTER (WHERE {all}), ARRAY[{each}]::bigint[]
  FROM {leaf} AS faces TABLESAMPLE SYSTEM ({percent});
