-- name: doom_face
INSERT INTO doomed_files (deletion, kind, key)
VALUES (%(deletion)s, 'crop', replace(%(face_id)s::uuid::text, '-', ''));

-- name: doom_image
INSERT INTO doomed_files (deletion, kind, key)
SELECT %(deletion)s, 'crop', replace(id::text, '-', '')
  FROM faces WHERE collection_id = %(collection_id)s AND image_id = %(image_id)s
 UNION ALL
SELECT %(deletion)s, 'photo', encode(sha256, 'hex') FROM images WHERE id = %(image_id)s;

-- name: doom_photos
INSERT INTO doomed_files (deletion, kind, key)
SELECT %(deletion)s, 'photo', key FROM unnest(%(keys)s::text[]) AS key;

-- name: doom_collection
-- Only what there is: of a million vectors without pictures nothing is written down.
INSERT INTO doomed_files (deletion, kind, key)
SELECT %(deletion)s, 'crop', replace(faces.id::text, '-', '')
  FROM faces JOIN images ON images.id = faces.image_id
 WHERE faces.collection_id = %(collection_id)s AND images.kept <> 'vectors'
 UNION ALL
SELECT %(deletion)s, 'photo', encode(sha256, 'hex')
  FROM images WHERE collection_id = %(collection_id)s AND kept = 'originals';

-- name: take
-- Some files of one deletion, or of any; those that somebody else is at are left to them.
SELECT id, kind, key FROM doomed_files
 WHERE %(deletion)s::uuid IS NULL OR deletion = %(deletion)s
 ORDER BY id
 LIMIT %(limit)s
   FOR UPDATE SKIP LOCKED;

-- name: forget
DELETE FROM doomed_files WHERE id = ANY(%(ids)s);
