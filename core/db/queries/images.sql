-- name: lock_bytes
-- One transaction at a time stores or removes the blobs of these bytes.
SELECT pg_advisory_xact_lock(hashtextextended(encode(%(sha256)s, 'hex'), 0));

-- name: insert
-- Returns no row when the collection holds these bytes already.
INSERT INTO images (collection_id, sha256, external_id, metadata, tags, captured_at, filename,
                    format, bytes, width, height)
VALUES (%(collection_id)s, %(sha256)s, %(external_id)s, %(metadata)s, %(tags)s, %(captured_at)s,
        %(filename)s, %(format)s, %(bytes)s, %(width)s, %(height)s)
ON CONFLICT (collection_id, sha256) DO NOTHING
RETURNING id;

-- name: home
SELECT collection_id FROM images WHERE id = %(id)s;

-- name: get
SELECT id, collection_id, sha256, external_id, metadata, tags, captured_at, filename, format, bytes,
       width, height, state, reason, detail, face_count, skipped_faces, kept,
       created_at, finished_at
  FROM images WHERE id = %(id)s;

-- name: by_bytes
SELECT id, collection_id, sha256, external_id, metadata, tags, captured_at, filename, format, bytes,
       width, height, state, reason, detail, face_count, skipped_faces, kept,
       created_at, finished_at
  FROM images WHERE collection_id = %(collection_id)s AND sha256 = %(sha256)s;

-- name: many
SELECT id, collection_id, sha256, external_id, metadata, tags, captured_at, filename, format, bytes,
       width, height, state, reason, detail, face_count, skipped_faces, kept,
       created_at, finished_at
  FROM images WHERE id = ANY(%(ids)s);

-- name: page
-- Newest first: a photo just added is seen at once, and keys keep a page stable. That tags are not
-- empty is said for the planner: the index of tags is of such rows only.
SELECT id, collection_id, sha256, external_id, metadata, tags, captured_at, filename, format, bytes,
       width, height, state, reason, detail, face_count, skipped_faces, kept,
       created_at, finished_at
  FROM images
 WHERE collection_id = %(collection_id)s
   AND (%(after)s::uuid IS NULL OR id < %(after)s)
   AND (%(state)s::text IS NULL OR state = %(state)s)
   AND (%(external_id)s::text IS NULL OR external_id = %(external_id)s)
   AND (%(tag)s::text IS NULL OR (tags @> ARRAY[%(tag)s::text] AND tags <> '{}'))
   AND (%(captured_from)s::timestamptz IS NULL OR captured_at >= %(captured_from)s)
   AND (%(captured_before)s::timestamptz IS NULL OR captured_at < %(captured_before)s)
 ORDER BY id DESC
 LIMIT %(limit)s;

-- name: lock
-- In id order, so that two transactions never wait for each other. What it returns was read after the
-- lock was granted, and stays so until the transaction ends.
SELECT id, tags, captured_at FROM images
 WHERE id = ANY(%(ids)s) AND state = 'waiting' ORDER BY id FOR UPDATE;

-- name: hold_known
-- In id order, as whoever indexes them does.
SELECT id FROM images WHERE collection_id = %(collection_id)s AND sha256 = ANY(%(digests)s)
 ORDER BY id FOR UPDATE;

-- name: known
SELECT id, sha256, state, reason FROM images
 WHERE collection_id = %(collection_id)s AND sha256 = ANY(%(digests)s);

-- name: external_ids
SELECT external_id, sha256 FROM images
 WHERE collection_id = %(collection_id)s AND external_id = ANY(%(external_ids)s);

-- name: hold
SELECT 1 FROM images WHERE id = %(id)s FOR UPDATE;

-- name: finish
UPDATE images
   SET state = %(state)s, reason = %(reason)s, detail = %(detail)s, face_count = %(face_count)s,
       skipped_faces = %(skipped_faces)s, kept = %(kept)s, picture_hash = %(picture_hash)s,
       width = coalesce(%(width)s, width), height = coalesce(%(height)s, height),
       finished_at = now()
 WHERE id = %(id)s;

-- name: update
-- A null keeps what is there; external_id is cleared with an empty text, captured_at by a flag.
UPDATE images
   SET external_id = CASE WHEN %(external_id)s::text IS NULL THEN external_id
                          ELSE nullif(%(external_id)s, '') END,
       metadata = coalesce(%(metadata)s, metadata),
       tags = coalesce(%(tags)s, tags),
       captured_at = CASE WHEN %(no_captured_at)s THEN NULL
                          ELSE coalesce(%(captured_at)s, captured_at) END
 WHERE id = %(id)s
RETURNING tags, captured_at;

-- name: wait_again
-- Its photo is there again.
UPDATE images
   SET state = 'waiting', reason = NULL, detail = NULL, kept = 'originals', finished_at = NULL
 WHERE id = %(id)s;

-- name: all_wait_again
UPDATE images
   SET state = 'waiting', reason = NULL, detail = NULL, kept = 'originals', finished_at = NULL
 WHERE id = ANY(%(ids)s);

-- name: change_face_count
UPDATE images SET face_count = face_count + %(by)s WHERE id = %(id)s;

-- name: delete
DELETE FROM images WHERE id = %(id)s RETURNING collection_id, sha256, face_count;

-- name: bytes_in_use
SELECT EXISTS (SELECT 1 FROM images WHERE sha256 = %(sha256)s AND kept = 'originals');

-- name: without_hash
-- An index holds just these.
SELECT id, sha256 FROM images
 WHERE picture_hash IS NULL AND state = 'indexed' AND kept = 'originals' AND NOT picture_unreadable
 ORDER BY id
 LIMIT %(limit)s;

-- name: keep_hashes
-- Locked in id order, as others lock them. A null hash means that nothing could be read.
WITH found AS (
     SELECT images.id, given.picture_hash
       FROM images
       JOIN unnest(%(ids)s::uuid[], %(hashes)s::bytea[]) AS given (id, picture_hash) USING (id)
      WHERE images.picture_hash IS NULL
      ORDER BY images.id
        FOR UPDATE OF images)
UPDATE images
   SET picture_hash = found.picture_hash, picture_unreadable = found.picture_hash IS NULL
  FROM found
 WHERE images.id = found.id;

-- name: picture_hashes
COPY (SELECT id, picture_hash, width, height FROM images
       WHERE collection_id = %(collection_id)s AND picture_hash IS NOT NULL
       ORDER BY id) TO STDOUT (FORMAT BINARY)

-- name: same_bytes
SELECT images.id, other.id, other.collection_id
  FROM images
  JOIN images AS other ON other.sha256 = images.sha256
                      AND other.collection_id <> images.collection_id
 WHERE images.collection_id = %(collection_id)s
 ORDER BY images.id, other.id;
