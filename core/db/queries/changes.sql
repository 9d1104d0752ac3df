-- name: insert
INSERT INTO changes (collection_id, kind, actor, undoes)
VALUES (%(collection_id)s, %(kind)s, %(actor)s, %(undoes)s)
RETURNING id;

-- name: forget_empty
-- Nothing names it: nothing was changed.
DELETE FROM changes
 WHERE id = %(id)s
   AND NOT EXISTS (SELECT FROM assignment_events WHERE change_id = %(id)s)
   AND NOT EXISTS (SELECT FROM person_events WHERE change_id = %(id)s)
   AND NOT EXISTS (SELECT FROM constraints WHERE change_id = %(id)s)
   AND NOT EXISTS (SELECT FROM constraints WHERE withdrawn_by = %(id)s);

-- name: home
SELECT collection_id FROM changes WHERE id = %(id)s;

-- name: lock
-- Of two who take the same change back at once, the second sees what the first did.
SELECT 1 FROM changes WHERE id = %(id)s FOR NO KEY UPDATE;

-- name: get
-- Those that take it back, without those that were taken back themselves.
SELECT id, collection_id, kind, actor, undoes, uuid_extract_timestamp(id) AS created_at,
       ARRAY(SELECT undo.id FROM changes AS undo
              WHERE undo.undoes = changes.id
                AND NOT EXISTS (SELECT FROM changes AS redo WHERE redo.undoes = undo.id)
              ORDER BY undo.id) AS undone_by
  FROM changes
 WHERE id = %(id)s;

-- name: page
-- Newest first.
SELECT id, collection_id, kind, actor, undoes, uuid_extract_timestamp(id) AS created_at,
       ARRAY(SELECT undo.id FROM changes AS undo
              WHERE undo.undoes = changes.id
                AND NOT EXISTS (SELECT FROM changes AS redo WHERE redo.undoes = undo.id)
              ORDER BY undo.id) AS undone_by
  FROM changes
 WHERE collection_id = %(collection_id)s AND (%(before)s::uuid IS NULL OR id < %(before)s)
 ORDER BY id DESC
 LIMIT %(limit)s;

-- name: page_of_person
-- Those that are about one person, newest first.
SELECT id, collection_id, kind, actor, undoes, uuid_extract_timestamp(id) AS created_at,
       ARRAY(SELECT undo.id FROM changes AS undo
              WHERE undo.undoes = changes.id
                AND NOT EXISTS (SELECT FROM changes AS redo WHERE redo.undoes = undo.id)
              ORDER BY undo.id) AS undone_by
  FROM changes
 WHERE collection_id = %(collection_id)s AND (%(before)s::uuid IS NULL OR id < %(before)s)
   AND id IN (SELECT change_id FROM assignment_events WHERE person_id = %(person_id)s
               UNION
              SELECT change_id FROM assignment_events WHERE previous_person_id = %(person_id)s
               UNION
              SELECT change_id FROM person_events
               WHERE collection_id = %(collection_id)s AND person_id = %(person_id)s
               UNION
              SELECT change_id FROM constraints
               WHERE collection_id = %(collection_id)s AND person_id = %(person_id)s
               UNION
              SELECT withdrawn_by FROM constraints
               WHERE collection_id = %(collection_id)s AND person_id = %(person_id)s)
 ORDER BY id DESC
 LIMIT %(limit)s;

-- name: family
-- The first change of a chain and all that take it back, take that back, and so on, with how far each is
-- from the first one.
WITH RECURSIVE up AS (
    SELECT id, undoes FROM changes WHERE id = %(id)s
     UNION ALL
    SELECT changes.id, changes.undoes FROM up JOIN changes ON changes.id = up.undoes
), family AS (
    SELECT id, 0 AS depth FROM up WHERE undoes IS NULL
     UNION ALL
    SELECT changes.id, family.depth + 1 FROM family JOIN changes ON changes.undoes = family.id
)
SELECT id, depth FROM family;

-- name: insert_moves
INSERT INTO assignment_events (collection_id, change_id, face_id, person_id, previous_person_id, actor)
SELECT changes.collection_id, changes.id, moved.face_id, moved.person_id, moved.previous_person_id,
       changes.actor
  FROM changes,
       unnest(%(face_ids)s::uuid[], %(person_ids)s::uuid[], %(previous_person_ids)s::uuid[])
       AS moved (face_id, person_id, previous_person_id)
 WHERE changes.id = %(change_id)s;

-- name: insert_person_event
INSERT INTO person_events (collection_id, change_id, person_id, before, after)
SELECT collection_id, id, %(person_id)s, %(before)s, %(after)s
  FROM changes WHERE id = %(change_id)s;

-- name: moved_faces
-- Where a change found each face and where it left it.
SELECT face_id, previous_person_id, person_id
  FROM (SELECT face_id, min(id) AS place,
               (array_agg(previous_person_id ORDER BY id))[1] AS previous_person_id,
               (array_agg(person_id ORDER BY id DESC))[1] AS person_id
          FROM assignment_events
         WHERE change_id = %(change_id)s
         GROUP BY face_id) AS moved
 WHERE previous_person_id IS DISTINCT FROM person_id
 ORDER BY place;

-- name: last_moves
-- The change that last moved each of these faces; null for one of before there were changes.
SELECT DISTINCT ON (face_id) face_id, change_id
  FROM assignment_events
 WHERE collection_id = %(collection_id)s AND face_id = ANY(%(face_ids)s)
 ORDER BY face_id, id DESC;

-- name: changed_people
-- How a change found each person and how it left them; null: not there.
SELECT %(change_id)s::uuid AS change_id, person_id, before, after
  FROM (SELECT person_id, min(id) AS place,
               (array_agg(before ORDER BY id))[1] AS before,
               (array_agg(after ORDER BY id DESC))[1] AS after
          FROM person_events
         WHERE change_id = %(change_id)s
         GROUP BY person_id) AS changed
 WHERE before IS DISTINCT FROM after
 ORDER BY place;

-- name: last_of_people
-- The change that last made, edited or deleted each of these people.
SELECT DISTINCT ON (person_id) person_id, change_id
  FROM person_events
 WHERE collection_id = %(collection_id)s AND person_id = ANY(%(person_ids)s)
 ORDER BY person_id, id DESC;

-- name: some_people
-- The first few events of each change: a baseline has one for everybody.
SELECT step.change_id, step.person_id, step.before, step.after
  FROM unnest(%(change_ids)s::uuid[]) AS asked (id)
 CROSS JOIN LATERAL (
       SELECT change_id, person_id, before, after FROM person_events
        WHERE person_events.change_id = asked.id
        ORDER BY person_events.id
        LIMIT %(limit)s) AS step;

-- name: people_counts
SELECT change_id, count(*) FROM person_events
 WHERE change_id = ANY(%(change_ids)s)
 GROUP BY change_id;

-- name: flows
-- How many faces changes moved from whom to whom.
SELECT change_id, previous_person_id, person_id, count(*) AS faces
  FROM assignment_events
 WHERE change_id = ANY(%(change_ids)s)
 GROUP BY change_id, previous_person_id, person_id
 ORDER BY change_id, faces DESC, previous_person_id, person_id;

-- name: decided
-- What changes said of faces, and what they took back.
SELECT change_id, kind, face_id, other_face_id, person_id, false AS withdrawn
  FROM constraints WHERE change_id = ANY(%(change_ids)s)
 UNION ALL
SELECT withdrawn_by, kind, face_id, other_face_id, person_id, true
  FROM constraints WHERE withdrawn_by = ANY(%(change_ids)s)
 ORDER BY change_id, withdrawn, kind, face_id;

-- name: names
-- Also of people who were deleted.
SELECT asked.id,
       coalesce(people.name,
                (SELECT coalesce(after ->> 'name', before ->> 'name') FROM person_events
                  WHERE person_events.collection_id = %(collection_id)s
                    AND person_events.person_id = asked.id
                  ORDER BY person_events.id DESC LIMIT 1)) AS name,
       people.id IS NOT NULL AS present
  FROM unnest(%(person_ids)s::uuid[]) AS asked (id)
  LEFT JOIN people ON people.id = asked.id;

-- name: face_states
-- Where faces are now and what there is of their images.
SELECT faces.id AS face_id, faces.image_id, faces.person_id, faces.hidden, images.kept
  FROM faces JOIN images ON images.id = faces.image_id
 WHERE faces.collection_id = %(collection_id)s AND faces.id = ANY(%(face_ids)s);
