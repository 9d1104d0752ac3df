-- name: faces
-- What reports know of each face, in the order of their ids.
COPY (SELECT faces.id, faces.image_id,
             coalesce(faces.person_id, '00000000-0000-0000-0000-000000000000'),
             coalesce(faces.cluster_id, '00000000-0000-0000-0000-000000000000'),
             faces.quality, faces.norm
        FROM faces WHERE faces.collection_id = %(collection_id)s ORDER BY faces.id)
  TO STDOUT (FORMAT BINARY)

-- name: list_lengths
SELECT cardinality(neighbours) AS length FROM face_edges
 WHERE graph_id = %(graph_id)s GROUP BY 1 ORDER BY 1;

-- name: edges
-- Those of one length, so that every row has the same bytes.
COPY (SELECT face_id, neighbours, cosines FROM face_edges
       WHERE graph_id = %(graph_id)s AND cardinality(neighbours) = %(length)s
       ORDER BY face_id) TO STDOUT (FORMAT BINARY)
