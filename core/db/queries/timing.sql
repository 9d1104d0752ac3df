-- name: largest
-- The largest collections that may have an index.
SELECT id FROM collections WHERE layout = 'own' ORDER BY face_count DESC LIMIT %(limit)s;

-- name: probe
-- Any vector will do.
SELECT embedding FROM {leaf} LIMIT 1;

-- name: rows
-- Comparing faces that lie side by side.
SELECT max(embedding <=> %(probe)s), count(*)
  FROM (SELECT embedding FROM {leaf} LIMIT %(rows)s) AS faces;

-- name: looks
-- Looking at faces that a condition refuses.
SELECT count(*) FILTER (WHERE quality > 1), count(*)
  FROM (SELECT quality FROM {leaf} LIMIT %(rows)s) AS faces;
