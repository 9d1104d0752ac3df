-- name: photos
-- What files the rows speak of, in the order in which a store lists them: by the last byte, then by all.
-- Files that still wait to be removed are among them, and need not be there; those that a collection
-- does not keep are not.
SELECT encode(sha256, 'hex') AS key, max(bytes) AS bytes, bool_or(used) AS used, bool_or(used) AS must
  FROM (SELECT sha256, bytes, true AS used FROM images WHERE kept = 'originals'
         UNION ALL
        SELECT decode(key, 'hex'), NULL, false FROM doomed_files WHERE kind = 'photo') AS named
 GROUP BY sha256
 ORDER BY get_byte(sha256, 31), sha256;

-- name: copies
-- Each photo that was decoded has both small ones.
SELECT encode(sha256, 'hex') AS key, NULL::bigint AS bytes, bool_or(used) AS used,
       bool_or(decoded) AS must
  FROM (SELECT sha256, true AS used, state = 'indexed' AS decoded FROM images
         WHERE kept = 'originals'
         UNION ALL
        SELECT decode(key, 'hex'), false, false FROM doomed_files WHERE kind = 'photo') AS named
 GROUP BY sha256
 ORDER BY get_byte(sha256, 31), sha256;

-- name: crops
SELECT replace(id::text, '-', '') AS key, NULL::bigint AS bytes, used, used AS must
  FROM (SELECT faces.id, true AS used
          FROM faces JOIN images ON images.id = faces.image_id
         WHERE images.kept <> 'vectors'
         UNION ALL
        SELECT key::uuid, false FROM doomed_files WHERE kind = 'crop') AS named
 ORDER BY get_byte(uuid_send(id), 15), id;

-- name: used_photos
SELECT DISTINCT encode(sha256, 'hex') FROM images
 WHERE sha256 = ANY(%(keys)s) AND kept = 'originals';

-- name: used_crops
SELECT replace(faces.id::text, '-', '')
  FROM faces JOIN images ON images.id = faces.image_id
 WHERE faces.id = ANY(%(keys)s) AND images.kept <> 'vectors';

-- name: photo_owners
-- Of each digest the oldest image; with *decoded*, of those whose photo has small copies.
SELECT DISTINCT ON (images.sha256)
       encode(images.sha256, 'hex') AS key, images.id AS image_id, images.filename,
       collections.name AS collection
  FROM images JOIN collections ON collections.id = images.collection_id
 WHERE images.sha256 = ANY(%(keys)s) AND images.kept = 'originals'
   AND (images.state = 'indexed' OR NOT %(decoded)s)
 ORDER BY images.sha256, images.id;

-- name: crop_owners
SELECT replace(faces.id::text, '-', '') AS key, faces.image_id, images.filename,
       collections.name AS collection
  FROM faces
  JOIN images ON images.id = faces.image_id
  JOIN collections ON collections.id = faces.collection_id
 WHERE faces.id = ANY(%(keys)s) AND images.kept <> 'vectors';
