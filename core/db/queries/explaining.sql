-- name: met
-- Which conditions each of these faces meets, each condition alone.
SELECT id, ARRAY[{each}]::boolean[]
  FROM faces
 WHERE collection_id = ANY(%(collections)s::uuid[]) AND id = ANY(%(face_ids)s::uuid[]);
