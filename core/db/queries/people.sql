-- name: insert
-- Somebody who comes back has the id of before, and with it the time.
INSERT INTO people (id, collection_id, name, external_id, metadata, created_at)
VALUES (coalesce(%(id)s::uuid, uuidv7()), %(collection_id)s, %(name)s, %(external_id)s, %(metadata)s,
        coalesce(uuid_extract_timestamp(%(id)s::uuid), now()))
RETURNING id;

-- name: home
SELECT collection_id FROM people WHERE id = %(id)s;

-- name: get
-- The collection is repeated for the faces: they are looked for in its partition alone.
SELECT person.*,
       (SELECT images.kept FROM faces JOIN images ON images.id = faces.image_id
         WHERE faces.collection_id = %(collection_id)s
           AND faces.id = person.best_face_id) AS best_face_kept
  FROM (
    SELECT people.id, people.collection_id, people.name, people.external_id, people.metadata,
           (SELECT count(*) FROM faces
             WHERE faces.collection_id = %(collection_id)s
               AND faces.person_id = people.id) AS face_count,
           (SELECT faces.id FROM faces
             WHERE faces.collection_id = %(collection_id)s AND faces.person_id = people.id
             ORDER BY faces.quality DESC, faces.id LIMIT 1) AS best_face_id,
           people.created_at, people.updated_at
      FROM people
     WHERE people.id = %(id)s AND people.collection_id = %(collection_id)s
  ) AS person;

-- name: page
SELECT person.*,
       (SELECT images.kept FROM faces JOIN images ON images.id = faces.image_id
         WHERE faces.collection_id = %(collection_id)s
           AND faces.id = person.best_face_id) AS best_face_kept
  FROM (
    SELECT people.id, people.collection_id, people.name, people.external_id, people.metadata,
           (SELECT count(*) FROM faces
             WHERE faces.collection_id = %(collection_id)s
               AND faces.person_id = people.id) AS face_count,
           (SELECT faces.id FROM faces
             WHERE faces.collection_id = %(collection_id)s AND faces.person_id = people.id
             ORDER BY faces.quality DESC, faces.id LIMIT 1) AS best_face_id,
           people.created_at, people.updated_at
      FROM people
     WHERE people.collection_id = %(collection_id)s
       AND (%(after)s::uuid IS NULL OR people.id > %(after)s)
       AND (%(external_id)s::text IS NULL OR people.external_id = %(external_id)s)
       AND (%(name)s::text IS NULL OR lower(people.name) = lower(%(name)s))
     ORDER BY people.id
     LIMIT %(limit)s
  ) AS person
 ORDER BY person.id;

-- name: update
-- A null keeps what is there; external_id is cleared with an empty text.
UPDATE people
   SET name = coalesce(%(name)s, name),
       external_id = CASE WHEN %(external_id)s::text IS NULL THEN external_id
                          ELSE nullif(%(external_id)s, '') END,
       metadata = coalesce(%(metadata)s, metadata),
       updated_at = now()
 WHERE id = %(id)s;

-- name: hold
SELECT 1 FROM people WHERE id = %(id)s FOR KEY SHARE;

-- name: hold_many
SELECT id FROM people WHERE id = ANY(%(ids)s) ORDER BY id FOR KEY SHARE;

-- name: lock_name
-- Whoever makes people by name does so one at a time for each name.
SELECT pg_advisory_xact_lock(hashtextextended(
    concat_ws(chr(31), %(collection_id)s::uuid, %(external_id)s::text, %(name)s::text), 1));

-- name: called
-- By a name alone nobody is meant who has an external id: that is how those who share it are told apart.
SELECT id FROM people
 WHERE collection_id = %(collection_id)s
   AND CASE WHEN %(external_id)s::text IS NOT NULL THEN external_id = %(external_id)s
            ELSE lower(name) = lower(%(name)s) AND name = %(name)s AND external_id IS NULL END
 ORDER BY id
 LIMIT 1
   FOR KEY SHARE;

-- name: lock
SELECT 1 FROM people WHERE id = %(id)s FOR UPDATE;

-- name: lock_many
-- In id order, as everybody does who locks several.
SELECT id FROM people
 WHERE collection_id = %(collection_id)s AND id = ANY(%(ids)s) ORDER BY id FOR UPDATE;

-- name: details
-- Nobody else edits them until the transaction ends.
SELECT name, external_id, metadata FROM people WHERE id = %(id)s FOR NO KEY UPDATE;

-- name: delete
DELETE FROM people WHERE id = %(id)s;

-- name: faces_of
SELECT id FROM faces WHERE collection_id = %(collection_id)s AND person_id = ANY(%(ids)s)
 ORDER BY id FOR UPDATE;

-- name: move_faces
-- Give faces to a person, or to nobody; returns those that really moved, with where they were.
UPDATE faces
   SET person_id = %(person_id)s
  FROM (SELECT id, person_id FROM faces
         WHERE collection_id = %(collection_id)s AND id = ANY(%(face_ids)s)
         ORDER BY id FOR UPDATE) AS before
 WHERE faces.collection_id = %(collection_id)s
   AND faces.id = before.id
   AND before.person_id IS DISTINCT FROM %(person_id)s::uuid
RETURNING faces.id AS face_id, before.person_id AS previous_person_id, faces.person_id;

-- name: lock_faces
SELECT id, person_id, hidden FROM faces
 WHERE collection_id = %(collection_id)s AND id = ANY(%(face_ids)s) ORDER BY id FOR UPDATE;

-- name: expect
-- Photos that wait with the name of somebody get that of another person.
UPDATE items SET person_id = %(person_id)s WHERE person_id = ANY(%(others)s);

-- name: centroid
-- The mean direction of a person's faces; null when there is no face.
SELECT l2_normalize(avg(embedding)) FROM faces
 WHERE person_id = %(id)s AND collection_id = %(collection_id)s;

-- name: owners
-- Whose some faces are; hidden ones and those that are gone are left out.
SELECT id, person_id FROM faces
 WHERE collection_id = %(collection_id)s AND id = ANY(%(face_ids)s) AND NOT hidden;

-- name: faces_of_person
-- The best first; nothing is locked.
SELECT id FROM faces
 WHERE collection_id = %(collection_id)s AND person_id = %(id)s
 ORDER BY quality DESC, id;

-- name: cosines
-- Of one face to the other faces of a person, the nearest first.
SELECT 1 - (asked.embedding <=> faces.embedding)
  FROM faces AS asked JOIN faces
    ON faces.collection_id = %(collection_id)s AND faces.person_id = %(id)s
   AND faces.id <> asked.id
 WHERE asked.collection_id = %(collection_id)s AND asked.id = %(face_id)s
 ORDER BY 1 DESC;
