-- name: some
-- Faces that lie far from each other; of a small partition every one.
SELECT id, embedding FROM {leaf} TABLESAMPLE SYSTEM ({percent}) LIMIT %(rows)s;

-- name: rows
SELECT max(embedding <=> %(probe)s)
  FROM (SELECT embedding FROM {leaf} LIMIT %(rows)s) AS faces;

-- name: scattered
SELECT max(faces.embedding <=> %(probe)s)
  FROM unnest(%(ids)s::uuid[]) AS named(id)
 CROSS JOIN LATERAL (SELECT embedding FROM {leaf} AS faces WHERE faces.id = named.id OFFSET 0) AS faces;

-- name: looks
SELECT count(*) FROM (SELECT quality FROM {leaf} LIMIT %(rows)s) AS faces WHERE quality > 1;
