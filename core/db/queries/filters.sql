-- name: people
person_id = ANY(%(f_people)s::uuid[])

-- name: not_people
(person_id IS NULL OR person_id <> ALL(%(f_not_people)s::uuid[]))

-- name: named
(person_id IS NOT NULL) = %(f_named)s

-- name: person_prefix
person_id IN (SELECT people.id FROM people
               WHERE people.collection_id = ANY(%(collections)s::uuid[])
                 AND starts_with(people.external_id, %(f_person_prefix)s))

-- name: person_metadata
-- The second condition is that of the partial index.
person_id IN (SELECT people.id FROM people
               WHERE people.collection_id = ANY(%(collections)s::uuid[])
                 AND people.metadata @> %(f_person_metadata)s AND people.metadata <> '{}')

-- name: tags_any
(tags && %(f_tags_any)s::text[] AND tags <> '{}')

-- name: tags_all
(tags @> %(f_tags_all)s::text[] AND tags <> '{}')

-- name: tags_none
NOT tags && %(f_tags_none)s::text[]

-- name: captured_from
captured_at >= %(f_captured_from)s

-- name: captured_before
captured_at < %(f_captured_before)s

-- name: created_from
-- Ids are UUIDs of version 7, which begin with the time.
id >= %(f_created_from)s

-- name: created_before
id < %(f_created_before)s

-- name: image_prefix
image_id IN (SELECT images.id FROM images
              WHERE images.collection_id = ANY(%(collections)s::uuid[])
                AND starts_with(images.external_id, %(f_image_prefix)s))

-- name: image_metadata
image_id IN (SELECT images.id FROM images
              WHERE images.collection_id = ANY(%(collections)s::uuid[])
                AND images.metadata @> %(f_image_metadata)s AND images.metadata <> '{}')

-- name: not_images
image_id <> ALL(%(f_not_images)s::uuid[])

-- name: face_prefix
starts_with(external_id, %(f_face_prefix)s)

-- name: face_metadata
metadata @> %(f_face_metadata)s

-- name: not_faces
id <> ALL(%(f_not_faces)s::uuid[])

-- name: min_quality
quality >= %(f_min_quality)s

-- name: min_size
least(box[3] - box[1], box[4] - box[2]) >= %(f_min_size)s
