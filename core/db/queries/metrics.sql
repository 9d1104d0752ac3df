-- name: totals
SELECT count(*) AS collections,
       coalesce(sum(face_count), 0)::bigint AS faces,
       coalesce(sum(image_count), 0)::bigint AS images
  FROM collections;

-- name: largest
SELECT id, name, face_count AS faces, image_count AS images
  FROM collections ORDER BY face_count DESC, id LIMIT %(most)s;
