-- name: named_faces
-- Chosen by a hash of their ids: as good as by chance, and the same ones next time. The ids are
-- sorted alone, so that only the vectors of those chosen are read.
SELECT faces.id, faces.image_id, faces.person_id, people.name AS person_name, faces.embedding
  FROM faces JOIN people ON people.id = faces.person_id
 WHERE faces.collection_id = %(collection_id)s
   AND faces.id IN (
       SELECT chosen.id
         FROM faces AS chosen
        WHERE chosen.collection_id = %(collection_id)s AND chosen.person_id IS NOT NULL
        ORDER BY uuid_hash_extended(chosen.id, 0), chosen.id
        LIMIT %(limit)s);
