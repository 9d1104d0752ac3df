-- name: insert
-- Nothing when the same is open already.
INSERT INTO index_work (collection_id, action, kind, actor)
VALUES (%(collection_id)s, %(action)s, %(kind)s, %(actor)s)
ON CONFLICT (collection_id, action) WHERE state IN ('waiting', 'running') DO NOTHING
RETURNING id;

-- name: get
SELECT id, collection_id, action, kind, state, step, done, total, attempts, detail, actor,
       created_at, started_at, finished_at
  FROM index_work WHERE id = %(id)s;

-- name: open
SELECT id, collection_id, action, kind, state, step, done, total, attempts, detail, actor,
       created_at, started_at, finished_at
  FROM index_work
 WHERE collection_id = %(collection_id)s AND state IN ('waiting', 'running')
 ORDER BY state = 'waiting', id;

-- name: history
-- Newest first.
SELECT id, collection_id, action, kind, state, step, done, total, attempts, detail, actor,
       created_at, started_at, finished_at
  FROM index_work
 WHERE collection_id = %(collection_id)s AND state IN ('done', 'failed')
 ORDER BY id DESC
 LIMIT %(limit)s;

-- name: claim
-- Take the oldest that waits, or the one that is named. Whoever calls holds the lock of maintenance.
UPDATE index_work
   SET state = 'running', step = NULL, done = 0, total = 0, detail = NULL,
       attempts = attempts + 1, started_at = now()
 WHERE id = (SELECT id FROM index_work
              WHERE state = 'waiting' AND (%(id)s::uuid IS NULL OR id = %(id)s)
              ORDER BY id LIMIT 1 FOR UPDATE)
RETURNING id, collection_id, action, kind, state, step, done, total, attempts, detail, actor,
          created_at, started_at, finished_at;

-- name: report
UPDATE index_work SET step = %(step)s, done = %(done)s, total = %(total)s WHERE id = %(id)s;

-- name: finish
UPDATE index_work
   SET state = %(state)s, detail = %(detail)s, finished_at = now()
 WHERE id = %(id)s;

-- name: put_back
UPDATE index_work SET state = 'waiting', attempts = %(attempts)s WHERE id = %(id)s;

-- name: left_running
-- Whose session is gone, since whoever calls holds the lock of maintenance.
SELECT id, collection_id, action, kind, state, step, done, total, attempts, detail, actor,
       created_at, started_at, finished_at
  FROM index_work WHERE state = 'running';

-- name: insert_build
-- An index that was built as a part of something else, for the rates of later estimates.
INSERT INTO index_work (collection_id, action, kind, state, done, total, actor,
                        started_at, finished_at)
VALUES (%(collection_id)s, 'build', %(kind)s, 'done', %(faces)s, %(faces)s, %(actor)s,
        %(started_at)s, now());

-- name: latest_build
-- The latest build of an index of this kind and dimension that took long enough to be a measure.
SELECT index_work.total AS faces,
       extract(epoch FROM index_work.finished_at - index_work.started_at)::float8 AS seconds
  FROM index_work
  JOIN collections ON collections.id = index_work.collection_id
  JOIN spaces ON spaces.id = collections.space_id
 WHERE index_work.state = 'done' AND index_work.action IN ('build', 'rebuild')
   AND index_work.kind = %(kind)s AND spaces.dimension = %(dimension)s
   AND index_work.total > 0
   AND index_work.finished_at - index_work.started_at > interval '1 second'
 ORDER BY index_work.finished_at DESC
 LIMIT 1;

-- name: forget
-- All but the newest of each collection.
DELETE FROM index_work
 WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY collection_id
                                                            ORDER BY id DESC) AS age
                                FROM index_work WHERE state IN ('done', 'failed')) AS aged
               WHERE age > %(keep)s);
