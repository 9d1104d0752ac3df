-- name: embeddings_of_person
-- The best faces first.
SELECT embedding FROM faces
 WHERE person_id = %(person_id)s AND collection_id = %(collection_id)s
 ORDER BY quality DESC, id
 LIMIT %(limit)s;
