-- name: lock
-- Of the session: whoever brings a graph up to date does so alone.
SELECT pg_advisory_lock(hashtextextended('facesearch.graph.' || %(collection_id)s::uuid::text, 0));

-- name: unlock
SELECT pg_advisory_unlock(hashtextextended('facesearch.graph.' || %(collection_id)s::uuid::text, 0));

-- name: get
SELECT id, collection_id, method, neighbours, state, faces, updated_at
  FROM graphs WHERE collection_id = %(collection_id)s AND state = %(state)s;

-- name: exists
SELECT 1 FROM graphs WHERE id = %(graph_id)s;

-- name: open
-- One of a collection is built at a time; whoever comes second works on the first one's.
INSERT INTO graphs (collection_id, method, neighbours)
VALUES (%(collection_id)s, %(method)s, %(neighbours)s)
ON CONFLICT (collection_id, state) DO NOTHING;

-- name: slice
-- From the first id of each slice up to that of the next one, so that no face falls between two.
INSERT INTO graph_slices (graph_id, position, first_id, before_id, faces)
SELECT %(graph_id)s, (place / %(size)s)::int, id,
       lead(id) OVER (ORDER BY id), least(%(size)s, count - place)
  FROM (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place, count(*) OVER () AS count
          FROM faces WHERE collection_id = %(collection_id)s AND NOT hidden) AS numbered
 WHERE place %% %(size)s = 0
ON CONFLICT DO NOTHING;

-- name: claim
-- Of the graph that is named, or of any that a report waits for: nobody works for one that was cancelled.
UPDATE graph_slices
   SET state = 'running', attempts = attempts + 1, lease = %(lease)s,
       lease_until = now() + make_interval(secs => %(lease_s)s)
 WHERE (graph_id, position) IN (
       SELECT graph_id, position FROM graph_slices
        WHERE (graph_id = %(graph_id)s
               OR (%(graph_id)s::uuid IS NULL
                   AND EXISTS (SELECT 1 FROM graphs JOIN reports USING (collection_id)
                                WHERE graphs.id = graph_id AND reports.state = 'running')))
          AND (state = 'waiting' OR (state = 'running' AND lease_until < now()))
          AND attempts < %(most_attempts)s
        ORDER BY graph_id, position LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING graph_id, position, first_id, before_id, faces, attempts,
          (SELECT collection_id FROM graphs WHERE graphs.id = graph_id) AS collection_id,
          (SELECT method FROM graphs WHERE graphs.id = graph_id) AS method;

-- name: renew
UPDATE graph_slices SET lease_until = now() + make_interval(secs => %(lease_s)s)
 WHERE lease = %(lease)s;

-- name: finish
-- The graph first: whoever deletes it takes it, then its slices.
WITH held AS MATERIALIZED (SELECT id FROM graphs WHERE id = %(graph_id)s FOR KEY SHARE)
UPDATE graph_slices SET state = 'done', lease = NULL
 WHERE graph_id IN (SELECT id FROM held) AND position = %(position)s AND lease = %(lease)s;

-- name: put_back
UPDATE graph_slices SET state = 'waiting', attempts = attempts - 1, lease = NULL
 WHERE lease = %(lease)s;

-- name: progress
SELECT coalesce(sum(faces) FILTER (WHERE state = 'done'), 0)::bigint AS done,
       coalesce(sum(faces), 0)::bigint AS total,
       coalesce(bool_or(state = 'running' AND lease_until < now()
                        AND attempts >= %(most_attempts)s), false) AS hopeless
  FROM graph_slices WHERE graph_id = %(graph_id)s;

-- name: complete
SELECT 1 FROM graphs
 WHERE id = %(graph_id)s AND state = 'building'
   AND NOT EXISTS (SELECT 1 FROM graph_slices WHERE graph_id = %(graph_id)s AND state <> 'done')
   FOR UPDATE;

-- name: publish
UPDATE graphs
   SET state = 'ready', updated_at = now(),
       faces = (SELECT count(*) FROM face_edges WHERE graph_id = %(graph_id)s)
 WHERE id = %(graph_id)s;

-- name: forget_slices
DELETE FROM graph_slices WHERE graph_id = %(graph_id)s;

-- name: drop
DELETE FROM graphs WHERE collection_id = %(collection_id)s AND state = %(state)s;

-- name: touch
UPDATE graphs
   SET updated_at = now(),
       faces = (SELECT count(*) FROM face_edges WHERE graph_id = %(graph_id)s)
 WHERE id = %(graph_id)s;

-- name: nearest
-- The nearest other faces of some faces, each by a walk through the index of their partition.
SELECT asked.id AS face_id,
       coalesce((array_agg(found.id ORDER BY found.cosine DESC, found.id)
                 FILTER (WHERE found.id IS NOT NULL))[:%(neighbours)s], '{{}}') AS neighbours,
       coalesce((array_agg(found.cosine::real ORDER BY found.cosine DESC, found.id)
                 FILTER (WHERE found.id IS NOT NULL))[:%(neighbours)s], '{{}}') AS cosines
  FROM (SELECT id, embedding FROM {faces} AS faces
         WHERE collection_id = %(collection_id)s AND NOT hidden AND {which}) AS asked
  LEFT JOIN LATERAL ({near}) AS found ON found.id <> asked.id
 GROUP BY asked.id

-- name: which_slice
id >= %(first_id)s AND (%(before_id)s::uuid IS NULL OR id < %(before_id)s)

-- name: which_ids
id = ANY(%(ids)s)

-- name: store_nearest
INSERT INTO face_edges (graph_id, face_id, neighbours, cosines)
SELECT %(graph_id)s, near.face_id, near.neighbours, near.cosines FROM ({nearest}) AS near
ON CONFLICT (graph_id, face_id) DO UPDATE
   SET neighbours = excluded.neighbours, cosines = excluded.cosines;

-- name: copy_edges
COPY face_edges (graph_id, face_id, neighbours, cosines) FROM STDIN (FORMAT BINARY);

-- name: forget_edges
DELETE FROM face_edges WHERE graph_id = %(graph_id)s AND face_id = ANY(%(ids)s);

-- name: some_ids
SELECT id FROM faces WHERE collection_id = %(collection_id)s AND NOT hidden
 ORDER BY uuid_hash_extended(id, 0), id LIMIT %(limit)s;

-- name: lists
SELECT face_id, neighbours, cosines FROM face_edges
 WHERE graph_id = %(graph_id)s AND face_id = ANY(%(ids)s);

-- name: fresh
-- Faces that the graph does not have yet.
SELECT id FROM faces
 WHERE collection_id = %(collection_id)s AND NOT hidden
   AND NOT EXISTS (SELECT 1 FROM face_edges
                    WHERE face_edges.graph_id = %(graph_id)s AND face_edges.face_id = faces.id)
 ORDER BY id;

-- name: forget_gone
DELETE FROM face_edges
 WHERE graph_id = %(graph_id)s
   AND NOT EXISTS (SELECT 1 FROM faces
                    WHERE faces.collection_id = %(collection_id)s
                      AND faces.id = face_edges.face_id AND NOT faces.hidden);

-- name: bereaved
-- By who is there, and not by whose lists were forgotten just now: of who went while the graph was built
-- there may be none.
SELECT DISTINCT face_id
  FROM face_edges CROSS JOIN unnest(neighbours) AS neighbour(id)
 WHERE graph_id = %(graph_id)s
   AND NOT EXISTS (SELECT 1 FROM faces
                    WHERE faces.collection_id = %(collection_id)s
                      AND faces.id = neighbour.id AND NOT faces.hidden);

-- name: reach
-- How near the last neighbour of each face is; -2 where there is room for more.
COPY (SELECT face_id, CASE WHEN cardinality(cosines) < %(neighbours)s THEN -2
                           ELSE cosines[%(neighbours)s] END::real
        FROM face_edges WHERE graph_id = %(graph_id)s ORDER BY face_id)
  TO STDOUT (FORMAT BINARY)

-- name: absorb
-- Faces that came get their places in the lists of those that they are near to.
UPDATE face_edges
   SET neighbours = merged.neighbours, cosines = merged.cosines
  FROM (SELECT owner, array_agg(face_id ORDER BY cosine DESC, face_id) AS neighbours,
               array_agg(cosine ORDER BY cosine DESC, face_id) AS cosines
          FROM (SELECT owner, face_id, cosine,
                       row_number() OVER (PARTITION BY owner ORDER BY cosine DESC, face_id) AS place
                  FROM (SELECT DISTINCT ON (owner, face_id) owner, face_id, cosine
                          FROM (SELECT * FROM unnest(%(owners)s::uuid[], %(faces)s::uuid[],
                                                     %(cosines)s::real[])
                                                AS came(owner, face_id, cosine)
                                 UNION ALL
                                SELECT had.face_id, each.id, each.cosine
                                  FROM face_edges AS had
                                 CROSS JOIN unnest(had.neighbours, had.cosines) AS each(id, cosine)
                                 WHERE had.graph_id = %(graph_id)s
                                   AND had.face_id = ANY(%(owners)s::uuid[])) AS listed
                         ORDER BY owner, face_id, cosine DESC) AS pairs) AS placed
         WHERE place <= %(neighbours)s
         GROUP BY owner) AS merged
 WHERE face_edges.graph_id = %(graph_id)s AND face_edges.face_id = merged.owner;
