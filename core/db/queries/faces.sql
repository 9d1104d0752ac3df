-- name: new_ids
-- Made by the server so that they sort by time whoever asks; needed before the rows are written,
-- since the crops are stored under them first.
SELECT uuidv7() FROM generate_series(1, %(count)s);

-- name: copy
COPY faces (id, collection_id, image_id, position, box, landmarks, score, norm, quality, sharpness,
            brightness, size, yaw, pitch, roll, embedding)
FROM STDIN (FORMAT BINARY);

-- name: get
SELECT faces.id, faces.collection_id, faces.image_id, faces.person_id, people.name AS person_name,
       faces.position, faces.external_id, faces.metadata, faces.box, faces.landmarks, faces.score,
       faces.norm, faces.quality, faces.sharpness, faces.brightness, faces.size, faces.yaw,
       faces.pitch, faces.roll, faces.created_at
  FROM faces LEFT JOIN people ON people.id = faces.person_id
 WHERE faces.id = %(id)s;

-- name: of_images
SELECT faces.id, faces.collection_id, faces.image_id, faces.person_id, people.name AS person_name,
       faces.position, faces.external_id, faces.metadata, faces.box, faces.landmarks, faces.score,
       faces.norm, faces.quality, faces.sharpness, faces.brightness, faces.size, faces.yaw,
       faces.pitch, faces.roll, faces.created_at
  FROM faces LEFT JOIN people ON people.id = faces.person_id
 WHERE faces.image_id = ANY(%(image_ids)s)
 ORDER BY faces.image_id, faces.position;

-- name: page
SELECT faces.id, faces.collection_id, faces.image_id, faces.person_id, people.name AS person_name,
       faces.position, faces.external_id, faces.metadata, faces.box, faces.landmarks, faces.score,
       faces.norm, faces.quality, faces.sharpness, faces.brightness, faces.size, faces.yaw,
       faces.pitch, faces.roll, faces.created_at
  FROM faces LEFT JOIN people ON people.id = faces.person_id
 WHERE faces.collection_id = %(collection_id)s
   AND (%(after)s::uuid IS NULL OR faces.id < %(after)s)
   AND (%(person_id)s::uuid IS NULL OR faces.person_id = %(person_id)s)
   AND (%(named)s::boolean IS NULL OR (faces.person_id IS NOT NULL) = %(named)s)
   AND (%(external_id)s::text IS NULL OR faces.external_id = %(external_id)s)
 ORDER BY faces.id DESC
 LIMIT %(limit)s;

-- name: embedding
SELECT embedding FROM faces WHERE id = %(id)s;

-- name: delete
DELETE FROM faces WHERE id = %(id)s RETURNING collection_id, image_id;
