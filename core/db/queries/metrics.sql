-- name: totals
SELECT count(*) AS collections,
       coalesce(sum(face_count), 0)::bigint AS faces,
       coalesce(sum(image_count), 0)::bigint AS images
  FROM collections;

-- name: largest
SELECT id, name, face_count AS faces, image_count AS images
  FROM collections ORDER BY face_count DESC, id LIMIT %(most)s;

-- name: imports
-- Those that are not over, by what they are at.
SELECT count(*) FILTER (WHERE state = 'receiving' AND NOT paused) AS receiving,
       count(*) FILTER (WHERE state = 'reading' AND NOT paused) AS reading,
       count(*) FILTER (WHERE state NOT IN ('receiving', 'reading') AND NOT paused) AS indexing,
       count(*) FILTER (WHERE paused) AS paused,
       count(*) FILTER (WHERE held_up_by = 'disk') AS without_disk
  FROM imports WHERE closed_at IS NULL;
