-- name: note
-- Where nobody has a name there is nobody to be mistaken for.
INSERT INTO arrivals (face_id, collection_id)
SELECT given.face_id, given.collection_id
  FROM unnest(%(face_ids)s::uuid[], %(collection_ids)s::uuid[]) AS given (face_id, collection_id)
  JOIN collections ON collections.id = given.collection_id
 WHERE collections.person_count > 0;

-- name: collections_with
SELECT id FROM collections
 WHERE EXISTS (SELECT 1 FROM arrivals WHERE arrivals.collection_id = collections.id)
 ORDER BY id;

-- name: take
-- Those that somebody else is at are left to them.
SELECT face_id FROM arrivals
 WHERE collection_id = %(collection_id)s
 ORDER BY face_id
 LIMIT %(limit)s
   FOR UPDATE SKIP LOCKED;

-- name: done
DELETE FROM arrivals WHERE face_id = ANY(%(face_ids)s);
