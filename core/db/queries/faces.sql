-- name: new_ids
-- Made by the server so that they sort by time whoever asks; needed before the rows are written,
-- since the crops are stored under them first.
SELECT uuidv7() FROM generate_series(1, %(count)s);

-- name: copy
COPY faces (id, collection_id, image_id, position, box, landmarks, score, norm, quality, sharpness,
            brightness, size, yaw, pitch, roll, embedding, tags, captured_at, person_id)
FROM STDIN (FORMAT BINARY);

-- name: home
-- Looks into every partition; with the collection at hand, the others look into one.
SELECT home_of_face(%(id)s);

-- name: get
SELECT faces.id, faces.collection_id, faces.image_id, faces.person_id, people.name AS person_name,
       faces.position, faces.external_id, faces.metadata, faces.tags, faces.captured_at, faces.box,
       faces.landmarks, faces.score, faces.norm, faces.quality, faces.sharpness, faces.brightness,
       faces.size, faces.yaw, faces.pitch, faces.roll,
       faces.hidden, (SELECT kept FROM images WHERE images.id = faces.image_id) AS kept,
       faces.created_at
  FROM faces LEFT JOIN people ON people.id = faces.person_id
 WHERE faces.collection_id = %(collection_id)s AND faces.id = %(id)s;

-- name: of_images
SELECT faces.id, faces.collection_id, faces.image_id, faces.person_id, people.name AS person_name,
       faces.position, faces.external_id, faces.metadata, faces.tags, faces.captured_at, faces.box,
       faces.landmarks, faces.score, faces.norm, faces.quality, faces.sharpness, faces.brightness,
       faces.size, faces.yaw, faces.pitch, faces.roll,
       faces.hidden, (SELECT kept FROM images WHERE images.id = faces.image_id) AS kept,
       faces.created_at
  FROM faces LEFT JOIN people ON people.id = faces.person_id
 WHERE faces.collection_id = ANY(%(collection_ids)s) AND faces.image_id = ANY(%(image_ids)s)
   AND NOT faces.hidden
 ORDER BY faces.image_id, faces.position;

-- name: present
SELECT id, hidden FROM faces WHERE collection_id = %(collection_id)s AND id = ANY(%(ids)s);

-- name: page
-- That tags are not empty is said for the planner: the index of tags is of such rows only.
SELECT faces.id, faces.collection_id, faces.image_id, faces.person_id, people.name AS person_name,
       faces.position, faces.external_id, faces.metadata, faces.tags, faces.captured_at, faces.box,
       faces.landmarks, faces.score, faces.norm, faces.quality, faces.sharpness, faces.brightness,
       faces.size, faces.yaw, faces.pitch, faces.roll,
       faces.hidden, (SELECT kept FROM images WHERE images.id = faces.image_id) AS kept,
       faces.created_at
  FROM faces LEFT JOIN people ON people.id = faces.person_id
 WHERE faces.collection_id = %(collection_id)s AND NOT faces.hidden
   AND (%(after)s::uuid IS NULL OR faces.id < %(after)s)
   AND (%(person_id)s::uuid IS NULL OR faces.person_id = %(person_id)s)
   AND (%(named)s::boolean IS NULL OR (faces.person_id IS NOT NULL) = %(named)s)
   AND (%(external_id)s::text IS NULL OR faces.external_id = %(external_id)s)
   AND (%(tag)s::text IS NULL
        OR (faces.tags @> ARRAY[%(tag)s::text] AND faces.tags <> '{}'))
   AND (%(captured_from)s::timestamptz IS NULL OR faces.captured_at >= %(captured_from)s)
   AND (%(captured_before)s::timestamptz IS NULL OR faces.captured_at < %(captured_before)s)
 ORDER BY faces.id DESC
 LIMIT %(limit)s;

-- name: embedding
SELECT embedding FROM faces WHERE collection_id = %(collection_id)s AND id = %(id)s;

-- name: update
-- A null keeps what is there; external_id is cleared with an empty text.
UPDATE faces
   SET external_id = CASE WHEN %(external_id)s::text IS NULL THEN external_id
                          ELSE nullif(%(external_id)s, '') END,
       metadata = coalesce(%(metadata)s, metadata)
 WHERE collection_id = %(collection_id)s AND id = %(id)s;

-- name: repeat_facets
-- Those that repeat them already are not written: each write of a face is one of its index too.
UPDATE faces SET tags = %(tags)s, captured_at = %(captured_at)s
 WHERE collection_id = %(collection_id)s AND image_id = %(image_id)s
   AND (tags, captured_at) IS DISTINCT FROM (%(tags)s::text[], %(captured_at)s::timestamptz);

-- name: delete
DELETE FROM faces WHERE collection_id = %(collection_id)s AND id = %(id)s RETURNING collection_id, image_id, hidden;

-- name: hold_images
-- Whoever changes the counter of an image locks it before its faces.
SELECT id FROM images
 WHERE collection_id = %(collection_id)s
   AND id IN (SELECT image_id FROM faces
               WHERE faces.collection_id = %(collection_id)s AND faces.id = ANY(%(ids)s))
 ORDER BY id
   FOR UPDATE;

-- name: set_hidden
-- The images count those that are seen.
WITH changed AS (
    UPDATE faces SET hidden = %(hidden)s
     WHERE collection_id = %(collection_id)s AND id = ANY(%(ids)s) AND hidden <> %(hidden)s
    RETURNING image_id
), counted AS (
    UPDATE images
       SET face_count = face_count + CASE WHEN %(hidden)s THEN -changed.faces ELSE changed.faces END
      FROM (SELECT image_id, count(*)::int AS faces FROM changed GROUP BY image_id) AS changed
     WHERE images.id = changed.image_id
)
SELECT count(*) FROM changed;

-- name: of_group
-- The unnamed faces that look like one person with this one, which is one of them.
SELECT others.id
  FROM faces AS asked JOIN faces AS others
    ON others.collection_id = %(collection_id)s AND NOT others.hidden
   AND (others.id = asked.id
        OR (others.cluster_id = asked.cluster_id AND others.person_id IS NULL))
 WHERE asked.collection_id = %(collection_id)s AND asked.id = %(id)s
 ORDER BY others.id;

-- name: set_clusters
-- Those who got a name meanwhile, or have this group already, are not written.
UPDATE faces SET cluster_id = given.cluster_id
  FROM unnest(%(ids)s::uuid[], %(cluster_ids)s::uuid[]) AS given(id, cluster_id)
 WHERE faces.collection_id = %(collection_id)s AND faces.id = given.id
   AND faces.person_id IS NULL AND faces.cluster_id IS DISTINCT FROM given.cluster_id;
