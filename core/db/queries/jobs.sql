-- name: insert
INSERT INTO jobs (collection_id, kind) VALUES (%(collection_id)s, %(kind)s) RETURNING id;

-- name: insert_item
INSERT INTO items (job_id, collection_id, image_id, position, key, state, reason, detail, finished_at)
VALUES (%(job_id)s, %(collection_id)s, %(image_id)s, %(position)s, %(key)s, %(state)s, %(reason)s,
        %(detail)s, CASE WHEN %(state)s = 'waiting' THEN NULL ELSE now() END)
RETURNING id;

-- name: get
SELECT jobs.id, jobs.collection_id, jobs.kind, jobs.created_at, jobs.started_at, jobs.work,
       count(items.id) AS total,
       count(*) FILTER (WHERE items.state = 'waiting') AS waiting,
       count(*) FILTER (WHERE items.state = 'running') AS running,
       count(*) FILTER (WHERE items.state = 'indexed') AS indexed,
       count(*) FILTER (WHERE items.state = 'skipped') AS skipped,
       count(*) FILTER (WHERE items.state = 'rejected') AS rejected,
       count(*) FILTER (WHERE items.state = 'dead') AS dead,
       coalesce((SELECT jsonb_object_agg(reason, n)
                   FROM (SELECT reason, count(*) AS n FROM items
                          WHERE job_id = jobs.id AND reason IS NOT NULL GROUP BY reason) AS counted),
                '{}') AS reasons,
       max(items.finished_at) AS last_finished_at
  FROM jobs LEFT JOIN items ON items.job_id = jobs.id
 WHERE jobs.id = %(id)s
 GROUP BY jobs.id;

-- name: items
SELECT id, job_id, collection_id, image_id, position, key, state, reason, detail, attempts
  FROM items
 WHERE job_id = %(job_id)s
   AND position > %(after)s
   AND (%(state)s::text IS NULL OR state = %(state)s)
 ORDER BY position
 LIMIT %(limit)s;

-- name: claim
-- Take the oldest photo that waits (or whose worker went silent) and, if it is a first try, more
-- first tries of the same space beside it. A photo that was tried before is taken alone: if it is
-- the one that killed its worker, it takes no neighbours along.
WITH head AS (
    SELECT items.id, items.attempts, collections.space_id
      FROM items JOIN collections ON collections.id = items.collection_id
     WHERE (items.state = 'waiting' OR (items.state = 'running' AND items.lease_until < now()))
       AND items.attempts < %(max_attempts)s
       AND collections.space_id = ANY(%(space_ids)s)
     ORDER BY items.id
     LIMIT 1
       FOR UPDATE OF items SKIP LOCKED
), others AS (
    SELECT items.id
      FROM items
      JOIN collections ON collections.id = items.collection_id
      JOIN head ON head.space_id = collections.space_id
     WHERE items.state = 'waiting' AND items.attempts = 0 AND head.attempts = 0
       AND items.id <> head.id
     ORDER BY items.id
     LIMIT %(others)s
       FOR UPDATE OF items SKIP LOCKED
), taken AS (
    UPDATE items
       SET state = 'running', attempts = items.attempts + 1, lease = %(lease)s,
           lease_until = now() + make_interval(secs => %(lease_s)s)
     WHERE id IN (SELECT id FROM head UNION ALL SELECT id FROM others)
 RETURNING id, job_id, collection_id, image_id, attempts
)
SELECT taken.id AS item_id, taken.job_id, taken.collection_id, taken.image_id, taken.attempts,
       collections.space_id, collections.quality_gate, images.sha256
  FROM taken
  JOIN collections ON collections.id = taken.collection_id
  LEFT JOIN images ON images.id = taken.image_id
 ORDER BY taken.id;

-- name: renew
-- Never waits: a row that somebody else has locked is being deleted or taken over.
UPDATE items SET lease_until = now() + make_interval(secs => %(lease_s)s)
 WHERE id IN (SELECT id FROM items WHERE lease = %(lease)s AND state = 'running'
                 FOR UPDATE SKIP LOCKED);

-- name: lock_leased
-- Those items of a claim that are still ours.
SELECT id FROM items WHERE lease = %(lease)s AND state = 'running' ORDER BY id FOR UPDATE;

-- name: finish
UPDATE items
   SET state = %(state)s, reason = %(reason)s, detail = %(detail)s, lease = NULL,
       lease_until = NULL, finished_at = now()
 WHERE id = %(id)s;

-- name: lock_work
SELECT work FROM jobs WHERE id = %(id)s FOR NO KEY UPDATE;

-- name: keep_work
UPDATE jobs
   SET work = %(work)s,
       started_at = least(started_at, clock_timestamp() - make_interval(secs => %(seconds)s))
 WHERE id = %(id)s;

-- name: release
-- Give a claim back untouched. The attempt counts, unless the photos cannot be to blame.
-- Never waits, as renewing does not.
UPDATE items
   SET state = 'waiting', lease = NULL, lease_until = NULL, detail = %(detail)s,
       attempts = attempts - CASE WHEN %(forgiven)s THEN 1 ELSE 0 END
 WHERE id IN (SELECT id FROM items WHERE lease = %(lease)s AND state = 'running'
                 FOR UPDATE SKIP LOCKED);

-- name: lock_hopeless
-- Images come before items in the order of locks (see `hold` of the collections).
SELECT id FROM images
 WHERE id IN (SELECT image_id FROM items
               WHERE (state = 'waiting' OR (state = 'running' AND lease_until < now()))
                 AND attempts >= %(max_attempts)s)
 ORDER BY id FOR UPDATE;

-- name: give_up
-- Photos that used up their attempts without ever finishing; only those whose images are locked.
UPDATE items
   SET state = 'dead', reason = 'worker_lost', lease = NULL, lease_until = NULL,
       finished_at = now(), detail = coalesce(detail, %(detail)s)
 WHERE id IN (SELECT id FROM items
               WHERE (state = 'waiting' OR (state = 'running' AND lease_until < now()))
                 AND attempts >= %(max_attempts)s
                 AND (image_id IS NULL OR image_id = ANY(%(image_ids)s))
                 FOR UPDATE SKIP LOCKED)
RETURNING image_id, detail;

-- name: kill_images
UPDATE images SET state = 'dead', reason = 'worker_lost', detail = %(detail)s, finished_at = now()
 WHERE id = %(id)s AND state = 'waiting';

-- name: work_waits
-- In the order of a claim, for its plan: where much was waiting a moment ago, the planner would
-- rather read the whole table until it meets something.
SELECT count(*) > 0
  FROM (SELECT 1 FROM items JOIN collections ON collections.id = items.collection_id
         WHERE (items.state = 'waiting' OR (items.state = 'running' AND items.lease_until < now()))
           AND items.attempts < %(max_attempts)s
           AND collections.space_id = ANY(%(space_ids)s)
         ORDER BY items.id
         LIMIT 1) AS first;

-- name: backlog
SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting,
       count(*) FILTER (WHERE state = 'running') AS running
  FROM items WHERE state IN ('waiting', 'running');
