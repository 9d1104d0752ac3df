-- name: insert
INSERT INTO constraints (collection_id, kind, face_id, other_face_id, person_id, change_id)
VALUES (%(collection_id)s, %(kind)s, %(face_id)s, %(other_face_id)s, %(person_id)s, %(change_id)s)
ON CONFLICT DO NOTHING;

-- name: withdraw
UPDATE constraints SET withdrawn_by = %(change_id)s
 WHERE collection_id = %(collection_id)s AND face_id = %(face_id)s AND kind = %(kind)s
   AND other_face_id IS NOT DISTINCT FROM %(other_face_id)s
   AND person_id IS NOT DISTINCT FROM %(person_id)s
   AND withdrawn_by IS NULL;

-- name: holds
SELECT change_id FROM constraints
 WHERE collection_id = %(collection_id)s AND face_id = %(face_id)s AND kind = %(kind)s
   AND other_face_id IS NOT DISTINCT FROM %(other_face_id)s
   AND person_id IS NOT DISTINCT FROM %(person_id)s
   AND withdrawn_by IS NULL;

-- name: withdraw_against
-- What speaks against these faces being of the person whose they are now. Two faces that were to be
-- apart are so no longer where both are theirs.
UPDATE constraints SET withdrawn_by = %(change_id)s
 WHERE collection_id = %(collection_id)s AND withdrawn_by IS NULL
   AND (face_id = ANY(%(face_ids)s) OR other_face_id = ANY(%(face_ids)s))
   AND CASE kind
           WHEN 'not_person' THEN person_id = %(person_id)s
           WHEN 'cannot_link' THEN
                2 = (SELECT count(*) FROM faces
                      WHERE faces.collection_id = %(collection_id)s
                        AND faces.id IN (constraints.face_id, constraints.other_face_id)
                        AND faces.person_id = %(person_id)s)
           ELSE false END;

-- name: inherit
-- Who is not one of several people is not the one that they turned out to be; without faces that are.
INSERT INTO constraints (collection_id, kind, face_id, person_id, change_id)
SELECT DISTINCT %(collection_id)s::uuid, 'not_person', face_id, %(person_id)s::uuid, %(change_id)s::uuid
  FROM constraints
 WHERE collection_id = %(collection_id)s AND kind = 'not_person' AND withdrawn_by IS NULL
   AND person_id = ANY(%(others)s)
   AND EXISTS (SELECT FROM faces
                WHERE faces.collection_id = %(collection_id)s AND faces.id = constraints.face_id
                  AND faces.person_id IS DISTINCT FROM %(person_id)s)
ON CONFLICT DO NOTHING;

-- name: of_faces
-- Those that hold.
SELECT kind, face_id, other_face_id, person_id, change_id
  FROM constraints
 WHERE collection_id = %(collection_id)s AND withdrawn_by IS NULL
   AND (face_id = ANY(%(face_ids)s) OR other_face_id = ANY(%(face_ids)s))
 ORDER BY id;

-- name: of_person
-- Those that hold.
SELECT kind, face_id, other_face_id, person_id, change_id
  FROM constraints
 WHERE collection_id = %(collection_id)s AND withdrawn_by IS NULL AND person_id = %(person_id)s
 ORDER BY id;

-- name: of_collection
-- Those that hold.
SELECT kind, face_id, other_face_id, person_id, change_id
  FROM constraints
 WHERE collection_id = %(collection_id)s AND withdrawn_by IS NULL
 ORDER BY id;

-- name: between_people
SELECT DISTINCT least(one.person_id, other.person_id), greatest(one.person_id, other.person_id)
  FROM constraints
  JOIN faces AS one ON one.collection_id = %(collection_id)s AND one.id = constraints.face_id
  JOIN faces AS other ON other.collection_id = %(collection_id)s
                     AND other.id = constraints.other_face_id
 WHERE constraints.collection_id = %(collection_id)s AND constraints.kind = 'cannot_link'
   AND constraints.withdrawn_by IS NULL AND one.person_id <> other.person_id
 ORDER BY 1, 2;

-- name: apart_from
-- People with a face that is to be apart from one of this person.
SELECT DISTINCT other.person_id
  FROM faces AS own
  JOIN constraints ON constraints.collection_id = %(collection_id)s
                  AND constraints.kind = 'cannot_link' AND constraints.withdrawn_by IS NULL
                  AND own.id IN (constraints.face_id, constraints.other_face_id)
  JOIN faces AS other ON other.collection_id = %(collection_id)s AND other.id <> own.id
                     AND other.id IN (constraints.face_id, constraints.other_face_id)
 WHERE own.collection_id = %(collection_id)s AND own.person_id = %(person_id)s
   AND other.person_id <> %(person_id)s;

-- name: withdraw_made
-- Take back what a change said where that still holds, whether by the change itself or since it, or an equal
-- one, was taken back and made again (*alike*).
UPDATE constraints AS holding SET withdrawn_by = %(undo_id)s
  FROM constraints AS made
 WHERE made.change_id = %(change_id)s
   AND (%(face_ids)s::uuid[] IS NULL
        OR made.face_id = ANY(%(face_ids)s) OR made.other_face_id = ANY(%(face_ids)s))
   AND holding.collection_id = made.collection_id AND holding.face_id = made.face_id
   AND holding.kind = made.kind
   AND holding.other_face_id IS NOT DISTINCT FROM made.other_face_id
   AND holding.person_id IS NOT DISTINCT FROM made.person_id
   AND holding.change_id = ANY(%(alike)s) AND holding.withdrawn_by IS NULL
RETURNING holding.kind, holding.face_id, holding.other_face_id, holding.person_id, holding.change_id;

-- name: withdrawn_by
SELECT kind, face_id, other_face_id, person_id, change_id
  FROM constraints
 WHERE withdrawn_by = %(change_id)s
   AND (%(face_ids)s::uuid[] IS NULL
        OR face_id = ANY(%(face_ids)s) OR other_face_id = ANY(%(face_ids)s));

-- name: faces_made
-- That a change said to be no faces, or to be some after all.
SELECT face_id FROM constraints
 WHERE kind = 'not_face' AND (change_id = %(change_id)s OR withdrawn_by = %(change_id)s);
