-- name: standing
-- Of these images, the faces that can stand for each subject: those that are named as the subject, and
-- those that reach the threshold, unless somebody decided otherwise; of each image and subject the best few.
SELECT subject, image_id, face_id, person_id, cosine, named, box, quality,
       filename, width, height, kept
  FROM (
    SELECT near.subject, face.image_id, face.id AS face_id, face.person_id, near.cosine,
           owner.person_id IS NOT NULL AS named, face.box, face.quality,
           row_number() OVER (PARTITION BY face.image_id, near.subject
                              ORDER BY owner.person_id IS NULL, near.cosine DESC, face.id) AS place
      FROM (SELECT id, image_id, person_id, embedding, box, quality
              FROM faces
             WHERE collection_id = ANY(%(collections)s::uuid[])
               AND image_id = ANY(%(image_ids)s::uuid[]) AND NOT hidden{narrowed}) AS face
     CROSS JOIN LATERAL (
           SELECT probe.subject, max(1 - (face.embedding <=> probe.vector)) AS cosine
             FROM unnest(%(subjects)s::int[], %(probes)s::halfvec[]) AS probe(subject, vector)
            GROUP BY probe.subject) AS near
      LEFT JOIN unnest(%(named_subjects)s::int[], %(named_people)s::uuid[])
                AS owner(subject, person_id)
             ON owner.subject = near.subject AND owner.person_id = face.person_id
     WHERE (near.cosine >= %(threshold)s OR owner.person_id IS NOT NULL)
       AND NOT EXISTS (SELECT FROM unnest(%(other_subjects)s::int[], %(other_faces)s::uuid[],
                                          %(other_people)s::uuid[])
                              AS other(subject, face_id, person_id)
                        WHERE other.subject = near.subject
                          AND (other.face_id = face.id OR other.person_id = face.person_id))
  ) AS standing
  JOIN images ON images.id = standing.image_id
 WHERE standing.place <= %(most)s;

-- name: named_images
-- Images with a face of one of these people.
SELECT DISTINCT image_id
  FROM faces
 WHERE collection_id = ANY(%(collections)s::uuid[])
   AND person_id = ANY(%(people)s::uuid[])
   AND image_id <> ALL(%(shown)s::uuid[]){narrowed}
 LIMIT %(limit)s;
