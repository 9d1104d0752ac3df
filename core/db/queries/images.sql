-- name: lock_bytes
-- One transaction at a time stores or removes the blobs of these bytes.
SELECT pg_advisory_xact_lock(hashtextextended(encode(%(sha256)s, 'hex'), 0));

-- name: insert
-- Returns no row when the collection holds these bytes already.
INSERT INTO images (collection_id, sha256, external_id, metadata, filename,
                    format, bytes, width, height)
VALUES (%(collection_id)s, %(sha256)s, %(external_id)s, %(metadata)s, %(filename)s,
        %(format)s, %(bytes)s, %(width)s, %(height)s)
ON CONFLICT (collection_id, sha256) DO NOTHING
RETURNING id;

-- name: get
SELECT id, collection_id, sha256, external_id, metadata, filename, format, bytes, width, height,
       state, reason, detail, face_count, skipped_faces, created_at, finished_at
  FROM images WHERE id = %(id)s;

-- name: by_bytes
SELECT id, collection_id, sha256, external_id, metadata, filename, format, bytes, width, height,
       state, reason, detail, face_count, skipped_faces, created_at, finished_at
  FROM images WHERE collection_id = %(collection_id)s AND sha256 = %(sha256)s;

-- name: many
SELECT id, collection_id, sha256, external_id, metadata, filename, format, bytes, width, height,
       state, reason, detail, face_count, skipped_faces, created_at, finished_at
  FROM images WHERE id = ANY(%(ids)s);

-- name: page
-- Newest first: a photo just added is seen at once, and keys keep a page stable.
SELECT id, collection_id, sha256, external_id, metadata, filename, format, bytes, width, height,
       state, reason, detail, face_count, skipped_faces, created_at, finished_at
  FROM images
 WHERE collection_id = %(collection_id)s
   AND (%(after)s::uuid IS NULL OR id < %(after)s)
   AND (%(state)s::text IS NULL OR state = %(state)s)
   AND (%(external_id)s::text IS NULL OR external_id = %(external_id)s)
 ORDER BY id DESC
 LIMIT %(limit)s;

-- name: lock
-- In id order, so that two transactions never wait for each other.
SELECT id FROM images WHERE id = ANY(%(ids)s) AND state = 'waiting' ORDER BY id FOR UPDATE;

-- name: hold_known
-- In id order, as whoever indexes them does.
SELECT id FROM images WHERE collection_id = %(collection_id)s AND sha256 = ANY(%(digests)s)
 ORDER BY id FOR UPDATE;

-- name: hold
SELECT 1 FROM images WHERE id = %(id)s FOR UPDATE;

-- name: finish
UPDATE images
   SET state = %(state)s, reason = %(reason)s, detail = %(detail)s, face_count = %(face_count)s,
       skipped_faces = %(skipped_faces)s,
       width = coalesce(%(width)s, width), height = coalesce(%(height)s, height),
       finished_at = now()
 WHERE id = %(id)s;

-- name: wait_again
UPDATE images SET state = 'waiting', reason = NULL, detail = NULL, finished_at = NULL
 WHERE id = %(id)s;

-- name: change_face_count
UPDATE images SET face_count = face_count + %(by)s WHERE id = %(id)s;

-- name: delete
DELETE FROM images WHERE id = %(id)s RETURNING collection_id, sha256, face_count;

-- name: bytes_in_use
SELECT EXISTS (SELECT 1 FROM images WHERE sha256 = %(sha256)s);
