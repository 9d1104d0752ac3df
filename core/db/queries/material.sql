-- name: faces
-- What reports know of each face, in the order of their ids.
COPY (SELECT faces.id, faces.image_id,
             coalesce(faces.person_id, '00000000-0000-0000-0000-000000000000'),
             coalesce(faces.cluster_id, '00000000-0000-0000-0000-000000000000'),
             faces.quality, faces.norm
        FROM faces WHERE faces.collection_id = %(collection_id)s AND NOT faces.hidden
       ORDER BY faces.id)
  TO STDOUT (FORMAT BINARY)

-- name: list_lengths
SELECT cardinality(neighbours) AS length FROM face_edges
 WHERE graph_id = %(graph_id)s GROUP BY 1 ORDER BY 1;

-- name: edges
-- Those of one length, so that every row has the same bytes.
COPY (SELECT face_id, neighbours, cosines FROM face_edges
       WHERE graph_id = %(graph_id)s AND cardinality(neighbours) = %(length)s
       ORDER BY face_id) TO STDOUT (FORMAT BINARY)

-- name: people
SELECT id, name FROM people WHERE collection_id = %(collection_id)s ORDER BY id;

-- name: enrolments
-- How good the faces of each person are.
SELECT people.id AS person_id,
       count(faces.id) AS faces,
       count(faces.id) FILTER (WHERE faces.quality >= %(good)s) AS good,
       coalesce(max(faces.quality), 0) AS best_quality,
       coalesce(max(faces.sharpness), 0) AS best_sharpness,
       coalesce(max(faces.brightness), 0) AS best_brightness,
       coalesce(max(faces.size), 0) AS best_size,
       coalesce(min(abs(faces.yaw)), 0) AS least_turn,
       coalesce((array_agg(faces.id ORDER BY faces.quality DESC, faces.id)
                 FILTER (WHERE faces.id IS NOT NULL))[:12], '{}') AS best_faces
  FROM people
  LEFT JOIN faces ON faces.person_id = people.id AND faces.collection_id = %(collection_id)s
 WHERE people.collection_id = %(collection_id)s
 GROUP BY people.id
 ORDER BY people.id;

-- name: places
SELECT faces.id AS face_id, faces.image_id, faces.landmarks, images.sha256, images.width,
       images.height, images.kept
  FROM faces JOIN images ON images.id = faces.image_id
 WHERE faces.collection_id = %(collection_id)s AND faces.id = ANY(%(ids)s);

-- name: failures
-- Photos without a face are told with those that were refused: nobody is found in them either.
SELECT 'images' AS what, reason, count(*) AS count
  FROM images
 WHERE collection_id = %(collection_id)s AND reason IS NOT NULL
 GROUP BY reason
 UNION ALL
SELECT 'faces', face ->> 'reason', count(*)
  FROM images CROSS JOIN jsonb_array_elements(skipped_faces) AS face
 WHERE collection_id = %(collection_id)s AND skipped_faces <> '[]'
 GROUP BY face ->> 'reason'
 ORDER BY what, count DESC, reason;

-- name: growth
-- Days without a photo are left out.
SELECT day::date AS day, sum(images)::bigint AS images, sum(faces)::bigint AS faces
  FROM (SELECT date_trunc('day', created_at) AS day, 1 AS images, face_count AS faces
          FROM images
         WHERE collection_id = %(collection_id)s AND created_at >= %(since)s) AS made
 GROUP BY 1 ORDER BY 1;
