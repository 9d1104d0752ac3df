-- name: insert
INSERT INTO jobs (collection_id, kind) VALUES (%(collection_id)s, %(kind)s) RETURNING id;

-- name: open_lane
-- Photos whose lane has no row here would never get their turn.
INSERT INTO lanes (id, collection_id) VALUES (%(id)s, %(collection_id)s) ON CONFLICT DO NOTHING;

-- name: pause_lane
UPDATE lanes SET paused = %(paused)s WHERE id = %(id)s;

-- name: put_item
-- An item that had no photo yet is filled in; nothing else is ever written over.
INSERT INTO items (job_id, collection_id, image_id, lane, person_id, position, key, state, reason,
                   detail, finished_at)
VALUES (%(job_id)s, %(collection_id)s, %(image_id)s, %(lane)s, %(person_id)s, %(position)s, %(key)s,
        %(state)s, %(reason)s, %(detail)s, CASE WHEN %(state)s = 'waiting' THEN NULL ELSE now() END)
ON CONFLICT (job_id, position) DO UPDATE
   SET image_id = excluded.image_id, lane = excluded.lane, person_id = excluded.person_id,
       state = excluded.state, reason = excluded.reason, detail = excluded.detail,
       finished_at = excluded.finished_at, attempts = 0
 WHERE items.state = 'waiting' AND items.lane IS NULL
RETURNING id;

-- name: stay
SELECT 1;

-- name: name_items
UPDATE items SET person_id = %(person_id)s
 WHERE image_id = %(image_id)s AND state IN ('waiting', 'running');

-- name: get
SELECT jobs.id, jobs.collection_id, jobs.kind, jobs.created_at, jobs.started_at, jobs.work,
       count(items.id) AS total,
       count(*) FILTER (WHERE items.state = 'waiting') AS waiting,
       count(*) FILTER (WHERE items.state = 'running') AS running,
       count(*) FILTER (WHERE items.state = 'indexed') AS indexed,
       count(*) FILTER (WHERE items.state = 'skipped') AS skipped,
       count(*) FILTER (WHERE items.state = 'rejected') AS rejected,
       count(*) FILTER (WHERE items.state = 'failed') AS failed,
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
-- Those who wait take turns: the collection that was served longest ago, of it the lane that was, of
-- that the oldest photo that waits (or whose worker went silent). If this is its first try, more first
-- tries come along, of the same lane, then of others of the same space. A photo that was tried before is
-- taken alone: if it is the one that killed its worker, it takes no neighbours along.
WITH RECURSIVE open_lanes AS (
    -- One look into the index for each, however many items they have.
    (SELECT lane FROM items WHERE state IN ('waiting', 'running') AND lane IS NOT NULL
      ORDER BY lane LIMIT 1)
     UNION ALL
    SELECT (SELECT items.lane FROM items
             WHERE state IN ('waiting', 'running') AND items.lane > open_lanes.lane
             ORDER BY items.lane LIMIT 1)
      FROM open_lanes WHERE open_lanes.lane IS NOT NULL
), homes AS MATERIALIZED (
    SELECT collection_id, max(served_at) AS served_at FROM lanes GROUP BY collection_id
), turns AS MATERIALIZED (
    SELECT lanes.id, collections.space_id,
           row_number() OVER (ORDER BY homes.served_at NULLS FIRST, lanes.served_at NULLS FIRST,
                                       lanes.id) AS turn
      FROM open_lanes
      JOIN lanes ON lanes.id = open_lanes.lane AND NOT lanes.paused
      JOIN collections ON collections.id = lanes.collection_id
           AND collections.space_id = ANY(%(space_ids)s)
      JOIN homes ON homes.collection_id = lanes.collection_id
), head AS MATERIALIZED (
    SELECT first.id, first.attempts, turns.id AS lane, turns.space_id
      FROM (SELECT * FROM turns ORDER BY turn) AS turns
      CROSS JOIN LATERAL (
           SELECT items.id, items.attempts FROM items
            WHERE items.lane = turns.id
              AND items.attempts >= %(least_attempts)s AND items.attempts < %(max_attempts)s
              AND (items.state = 'waiting'
                   OR (items.state = 'running' AND items.lease_until < now()))
            ORDER BY items.id
            LIMIT 1
              FOR UPDATE SKIP LOCKED) AS first
     LIMIT 1
), beside AS MATERIALIZED (
    SELECT items.id, items.lane
      FROM items JOIN head ON head.lane = items.lane
     WHERE items.state = 'waiting' AND items.attempts = 0 AND head.attempts = 0
       AND items.id <> head.id
     ORDER BY items.id
     LIMIT %(others)s
       FOR UPDATE OF items SKIP LOCKED
), filling AS MATERIALIZED (
    SELECT more.id, turns.id AS lane
      FROM (SELECT turns.* FROM turns JOIN head ON head.space_id = turns.space_id
             WHERE turns.id <> head.lane AND head.attempts = 0 ORDER BY turn) AS turns
      CROSS JOIN LATERAL (
           SELECT items.id FROM items
            WHERE items.lane = turns.id AND items.state = 'waiting' AND items.attempts = 0
            ORDER BY items.id
            LIMIT %(others)s
              FOR UPDATE SKIP LOCKED) AS more
     LIMIT (SELECT %(others)s - count(*) FROM beside)
), chosen AS (
    SELECT id, lane FROM head UNION ALL SELECT id, lane FROM beside
     UNION ALL SELECT id, lane FROM filling
), served AS (
    -- One that somebody else has locked is being served: what is written there is as good.
    UPDATE lanes SET served_at = clock_timestamp()
     WHERE id IN (SELECT id FROM lanes WHERE id IN (SELECT lane FROM chosen)
                     FOR NO KEY UPDATE SKIP LOCKED)
), taken AS (
    UPDATE items
       SET state = 'running', attempts = items.attempts + 1, lease = %(lease)s,
           lease_until = now() + make_interval(secs => %(lease_s)s)
     WHERE id IN (SELECT id FROM chosen)
 RETURNING id, job_id, collection_id, image_id, attempts
)
SELECT taken.id AS item_id, taken.job_id, taken.collection_id, taken.image_id, taken.attempts,
       collections.space_id, collections.quality_gate, collections.keeps, images.sha256
  FROM taken
  JOIN collections ON collections.id = taken.collection_id
  LEFT JOIN images ON images.id = taken.image_id
 ORDER BY taken.id;

-- name: renew
-- Never waits: a row that somebody else has locked is being deleted or taken over.
UPDATE items SET lease_until = now() + make_interval(secs => %(lease_s)s)
 WHERE id IN (SELECT id FROM items WHERE lease = %(lease)s AND state = 'running'
                 FOR UPDATE SKIP LOCKED);

-- name: leased_people
-- Read without a lock: people are held before the items are.
SELECT DISTINCT person_id FROM items
 WHERE lease = %(lease)s AND state = 'running' AND person_id IS NOT NULL;

-- name: lock_leased
-- Those items of a claim that are still ours, with who is named with them by now.
SELECT id, person_id FROM items
 WHERE lease = %(lease)s AND state = 'running' ORDER BY id FOR UPDATE;

-- name: open_lanes_of_adopted
INSERT INTO lanes (id, collection_id)
SELECT DISTINCT collection_id, collection_id FROM items
 WHERE state IN ('waiting', 'running') AND lane IS NULL AND image_id IS NOT NULL
    ON CONFLICT DO NOTHING;

-- name: adopt
-- Uploads that were taken in by an older version of this program have no lane.
UPDATE items SET lane = collection_id
 WHERE state IN ('waiting', 'running') AND lane IS NULL AND image_id IS NOT NULL;

-- name: close_lanes
-- Of imports that are over: whoever looks for the next turn looks at every lane of a collection.
DELETE FROM lanes USING imports
 WHERE imports.id = lanes.id AND imports.closed_at < now() - interval '1 hour';

-- name: finish
UPDATE items
   SET state = %(state)s, reason = %(reason)s, detail = %(detail)s, lease = NULL,
       lease_until = NULL, finished_at = now()
 WHERE id = %(id)s;

-- name: effort
SELECT work, started_at FROM jobs WHERE id = %(id)s;

-- name: others_wait
-- Whether photos of another lane wait for workers; looks at one of each lane at most.
SELECT count(*) > 0
  FROM (SELECT 1 FROM lanes
         WHERE lanes.id <> %(lane)s AND NOT lanes.paused
           AND EXISTS (SELECT 1 FROM items WHERE items.lane = lanes.id AND items.state = 'waiting')
         LIMIT 1) AS first;

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
 ORDER BY id FOR UPDATE SKIP LOCKED;

-- name: give_up
-- Photos that used up their attempts without ever finishing; only those whose images are locked. One that
-- was given back said what was wrong (`failed`); of one that was not the worker died, or hung (`dead`).
UPDATE items
   SET state = CASE state WHEN 'waiting' THEN 'failed' ELSE 'dead' END,
       reason = CASE state WHEN 'waiting' THEN 'processing_failed' ELSE 'worker_lost' END,
       detail = CASE state WHEN 'waiting' THEN coalesce(detail, %(detail)s) ELSE %(detail)s END,
       lease = NULL, lease_until = NULL, finished_at = now()
 WHERE id IN (SELECT id FROM items
               WHERE (state = 'waiting' OR (state = 'running' AND lease_until < now()))
                 AND attempts >= %(max_attempts)s
                 AND (image_id IS NULL OR image_id = ANY(%(image_ids)s))
                 FOR UPDATE SKIP LOCKED)
RETURNING image_id, state, reason, detail;

-- name: kill_images
UPDATE images SET state = 'dead', reason = %(reason)s, detail = %(detail)s, finished_at = now()
 WHERE id = %(id)s AND state = 'waiting';

-- name: last_try_waits
SELECT EXISTS (SELECT 1
                 FROM items
                 JOIN lanes ON lanes.id = items.lane AND NOT lanes.paused
                 JOIN collections ON collections.id = items.collection_id
                  AND collections.space_id = ANY(%(space_ids)s)
                WHERE items.state IN ('waiting', 'running')
                  AND (items.state = 'waiting' OR items.lease_until < now())
                  AND items.attempts BETWEEN greatest(1, %(max_attempts)s - 1)
                                         AND %(max_attempts)s - 1);

-- name: work_waits
-- In the order of a claim, for its plan: where much was waiting a moment ago, the planner would
-- rather read the whole table until it meets something.
SELECT count(*) > 0
  FROM (SELECT 1
          FROM items
          JOIN lanes ON lanes.id = items.lane AND NOT lanes.paused
          JOIN collections ON collections.id = items.collection_id
         WHERE (items.state = 'waiting' OR (items.state = 'running' AND items.lease_until < now()))
           AND items.attempts < %(max_attempts)s
           AND collections.space_id = ANY(%(space_ids)s)
         ORDER BY items.id
         LIMIT 1) AS first;

-- name: open_items
-- How many workers have still to take or finish, of all jobs, up to a number.
SELECT count(*)
  FROM (SELECT 1 FROM items WHERE state IN ('waiting', 'running') AND lane IS NOT NULL
         LIMIT %(most)s) AS counted;

-- name: backlog
SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting,
       count(*) FILTER (WHERE state = 'running') AS running
  FROM items WHERE state IN ('waiting', 'running');
