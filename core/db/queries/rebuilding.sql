-- name: collections
SELECT id FROM collections
 WHERE %(collection_id)s::uuid IS NULL OR id = %(collection_id)s
 ORDER BY id;

-- name: adopt
-- People whom no event names: a release that knew no changes made them.
INSERT INTO person_events (collection_id, change_id, person_id, after)
SELECT people.collection_id, %(change_id)s, people.id,
       jsonb_build_object('name', people.name, 'external_id', people.external_id,
                          'metadata', people.metadata)
  FROM people
 WHERE people.collection_id = %(collection_id)s
   AND NOT EXISTS (SELECT FROM person_events
                    WHERE person_events.collection_id = %(collection_id)s
                      AND person_events.person_id = people.id);

-- name: remove_people
-- Those who were deleted.
DELETE FROM people
 USING (SELECT DISTINCT ON (person_id) person_id, after FROM person_events
         WHERE collection_id = %(collection_id)s
         ORDER BY person_id, id DESC) AS told
 WHERE people.collection_id = %(collection_id)s AND people.id = told.person_id
   AND told.after IS NULL;

-- name: free_external_ids
-- Before they are given anew: two may have changed theirs.
UPDATE people SET external_id = NULL
  FROM (SELECT DISTINCT ON (person_id) person_id, after FROM person_events
         WHERE collection_id = %(collection_id)s
         ORDER BY person_id, id DESC) AS told
 WHERE people.collection_id = %(collection_id)s AND people.id = told.person_id
   AND people.external_id IS NOT NULL
   AND people.external_id IS DISTINCT FROM told.after ->> 'external_id';

-- name: put_people
-- Those who are missing, and those who are otherwise than the last event left them.
INSERT INTO people (id, collection_id, name, external_id, metadata, created_at)
SELECT told.person_id, %(collection_id)s, told.after ->> 'name', told.after ->> 'external_id',
       told.after -> 'metadata', coalesce(uuid_extract_timestamp(told.person_id), now())
  FROM (SELECT DISTINCT ON (person_id) person_id, after FROM person_events
         WHERE collection_id = %(collection_id)s
         ORDER BY person_id, id DESC) AS told
  LEFT JOIN people ON people.id = told.person_id
 WHERE told.after IS NOT NULL
   AND (people.name, people.external_id, people.metadata) IS DISTINCT FROM
       (told.after ->> 'name', told.after ->> 'external_id', told.after -> 'metadata')
ON CONFLICT (id) DO UPDATE
   SET name = excluded.name, external_id = excluded.external_id, metadata = excluded.metadata,
       updated_at = now();

-- name: move_faces
-- Each face to whom its last event gave it; one without any is nobody's.
UPDATE faces SET person_id = wrong.told
  FROM (SELECT faces.id, told.person_id AS told
          FROM faces
          LEFT JOIN (SELECT DISTINCT ON (face_id) face_id, person_id FROM assignment_events
                      WHERE collection_id = %(collection_id)s
                      ORDER BY face_id, id DESC) AS told ON told.face_id = faces.id
         WHERE faces.collection_id = %(collection_id)s
           AND faces.person_id IS DISTINCT FROM told.person_id) AS wrong
 WHERE faces.collection_id = %(collection_id)s AND faces.id = wrong.id;

-- name: hide_faces
-- Those that are said to be none, and no others.
UPDATE faces SET hidden = NOT hidden
 WHERE collection_id = %(collection_id)s
   AND hidden <> EXISTS (SELECT FROM constraints
                          WHERE constraints.collection_id = %(collection_id)s
                            AND constraints.face_id = faces.id AND constraints.kind = 'not_face'
                            AND constraints.withdrawn_by IS NULL);

-- name: count_images
UPDATE images SET face_count = seen.faces
  FROM (SELECT images.id, count(faces.id)::int AS faces
          FROM images
          LEFT JOIN faces ON faces.collection_id = %(collection_id)s
                         AND faces.image_id = images.id AND NOT faces.hidden
         WHERE images.collection_id = %(collection_id)s
         GROUP BY images.id) AS seen
 WHERE images.id = seen.id AND images.face_count <> seen.faces;

-- name: count_collection
UPDATE collections
   SET image_count = seen.images, face_count = seen.faces, person_count = seen.people
  FROM (SELECT (SELECT count(*) FROM images WHERE collection_id = %(collection_id)s) AS images,
               (SELECT count(*) FROM faces
                 WHERE collection_id = %(collection_id)s AND NOT hidden) AS faces,
               (SELECT count(*) FROM people WHERE collection_id = %(collection_id)s) AS people)
       AS seen
 WHERE id = %(collection_id)s
   AND (image_count, face_count, person_count) <> (seen.images, seen.faces, seen.people);
