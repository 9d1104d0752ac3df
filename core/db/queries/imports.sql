-- name: insert
INSERT INTO imports (id, collection_id, name, external_id, source, path, options, actor, state,
                     bytes_expected, pace_from)
VALUES (%(id)s, %(collection_id)s, %(name)s, %(external_id)s, %(source)s, %(path)s, %(options)s,
        %(actor)s, %(state)s, %(bytes_expected)s, now());

-- name: get
SELECT * FROM imports WHERE id = %(id)s;

-- name: space
SELECT collections.space_id
  FROM imports JOIN collections ON collections.id = imports.collection_id
 WHERE imports.id = %(id)s;

-- name: by_external_id
SELECT * FROM imports WHERE collection_id = %(collection_id)s AND external_id = %(external_id)s;

-- name: lock
SELECT * FROM imports WHERE id = %(id)s FOR UPDATE;

-- name: page
-- Newest first.
SELECT * FROM imports
 WHERE collection_id = %(collection_id)s AND (%(after)s::uuid IS NULL OR id < %(after)s)
 ORDER BY id DESC
 LIMIT %(limit)s;

-- name: announced
SELECT id, bytes_expected FROM imports
 WHERE closed_at IS NULL AND state = 'receiving' AND bytes_expected IS NOT NULL;

-- name: idle
-- Those that wait for their sender, to whom no photo came for so long, with nothing left to be done.
SELECT id FROM imports
 WHERE closed_at IS NULL AND state = 'receiving'
   AND (%(id)s::uuid IS NULL OR id = %(id)s)
   AND coalesce(looked_at, created_at) < %(since)s
   AND NOT EXISTS (SELECT 1 FROM items
                    WHERE lane = imports.id AND state IN ('waiting', 'running'))
 ORDER BY id;

-- name: delete
-- With its job go its items.
WITH gone AS (DELETE FROM lanes WHERE id = %(id)s)
DELETE FROM jobs WHERE id = %(id)s;

-- name: set_state
UPDATE imports
   SET state = %(state)s, reason = %(reason)s, detail = %(detail)s, lease = NULL, lease_until = NULL,
       held_up_by = NULL, attempts = 0,
       read_at = CASE WHEN %(state)s = 'read' THEN now() ELSE read_at END
 WHERE id = %(id)s;

-- name: set_paused
UPDATE imports SET paused = %(paused)s WHERE id = %(id)s;

-- name: set_pace
UPDATE imports SET pace_from = now(), pace_items = %(items)s WHERE id = %(id)s;

-- name: expect
UPDATE imports
   SET entries_expected = coalesce(%(entries)s, entries_expected),
       bytes_expected = coalesce(%(bytes)s, bytes_expected)
 WHERE id = %(id)s;

-- name: take
-- Of those with something to read and room for more items, the one that was looked at longest ago.
UPDATE imports
   SET lease = %(lease)s, lease_until = now() + make_interval(secs => %(lease_s)s),
       looked_at = clock_timestamp(), attempts = attempts + 1
 WHERE id = (SELECT id FROM imports
              WHERE closed_at IS NULL AND state = 'reading' AND NOT paused
                AND attempts < %(max_attempts)s
                AND (lease_until IS NULL OR lease_until < now())
                AND NOT EXISTS (SELECT 1 FROM items
                                 WHERE lane = imports.id AND state IN ('waiting', 'running')
                                OFFSET %(ahead)s)
                -- A dry run needs the models of its collection.
                AND (NOT (options ->> 'dry_run')::boolean
                     OR EXISTS (SELECT 1 FROM collections
                                 WHERE collections.id = imports.collection_id
                                   AND collections.space_id = ANY(%(space_ids)s)))
              ORDER BY looked_at NULLS FIRST, id
              LIMIT 1
                FOR UPDATE SKIP LOCKED)
RETURNING *;

-- name: renew
UPDATE imports
   SET lease_until = now() + make_interval(secs => %(lease_s)s)
 WHERE id = %(id)s AND lease = %(lease)s
RETURNING paused OR state <> 'reading';

-- name: hold_up
UPDATE imports SET held_up_by = %(held_up_by)s WHERE id = %(id)s AND lease = %(lease)s;

-- name: is_ours
SELECT NOT paused AND state = 'reading' FROM imports WHERE id = %(id)s AND lease = %(lease)s;

-- name: advance
-- In the transaction that writes the items; changes nothing when somebody else reads it now.
UPDATE imports
   SET entries_read = greatest(entries_read, %(entries_read)s),
       bytes_read = greatest(bytes_read, %(bytes_read)s),
       lease_until = now() + make_interval(secs => %(lease_s)s), attempts = 0, held_up_by = NULL,
       detail = NULL
 WHERE id = %(id)s AND lease = %(lease)s AND state = 'reading' AND NOT paused;

-- name: append
-- Room for more items of an import that is still sent; returns where they begin.
UPDATE imports
   SET entries_read = entries_read + %(entries)s, bytes_read = bytes_read + %(bytes)s,
       looked_at = clock_timestamp()
 WHERE id = %(id)s
RETURNING entries_read - %(entries)s;

-- name: passed_over
UPDATE imports SET entries_passed_over = %(count)s WHERE id = %(id)s;

-- name: note
UPDATE imports
   SET detail = %(detail)s, held_up_by = %(held_up_by)s,
       attempts = attempts - CASE WHEN %(held_up_by)s::text IS NULL THEN 0 ELSE 1 END
 WHERE id = %(id)s AND lease = %(lease)s;

-- name: set_forecast
UPDATE imports SET forecast = %(forecast)s WHERE id = %(id)s;

-- name: let_go
UPDATE imports SET lease = NULL, lease_until = NULL, attempts = 0
 WHERE id = %(id)s AND lease = %(lease)s;

-- name: give_up
-- Their readers failed, and said why, or died each time.
UPDATE imports
   SET state = 'failed', reason = CASE WHEN detail IS NULL THEN 'worker_lost' ELSE 'reading_failed' END,
       detail = coalesce(detail, %(detail)s), lease = NULL, lease_until = NULL
 WHERE closed_at IS NULL AND state = 'reading' AND attempts >= %(max_attempts)s
   AND lease_until < now()
RETURNING id;

-- name: reading_waits
SELECT count(*) > 0
  FROM (SELECT 1 FROM imports
         WHERE closed_at IS NULL AND state = 'reading' AND NOT paused
           AND attempts < %(max_attempts)s
           AND (lease_until IS NULL OR lease_until < now())
         LIMIT 1) AS first;

-- name: confirm
UPDATE imports
   SET options = options || '{"dry_run": false}', state = 'reading', read_at = NULL, closed_at = NULL,
       counts = NULL, pace_from = now(), pace_items = 0
 WHERE id = %(id)s;

-- name: reopen
UPDATE imports SET closed_at = NULL, counts = NULL WHERE id = %(id)s;

-- name: to_settle
-- Those without an open item that are not marked as closed yet.
SELECT id FROM imports
 WHERE closed_at IS NULL AND state IN ('read', 'cancelled', 'failed')
   AND (%(id)s::uuid IS NULL OR id = %(id)s)
   AND NOT EXISTS (SELECT 1 FROM items
                    WHERE lane = imports.id AND state IN ('waiting', 'running'))
   AND NOT EXISTS (SELECT 1 FROM items
                    WHERE job_id = imports.id AND state = 'waiting' AND lane IS NULL)
 ORDER BY id
   FOR UPDATE SKIP LOCKED;

-- name: close
UPDATE imports SET closed_at = now(), counts = %(counts)s WHERE id = %(id)s;

-- name: cancelled_ones
SELECT * FROM imports WHERE closed_at IS NULL AND state = 'cancelled';

-- name: home
SELECT collection_id FROM imports WHERE id = %(id)s;

-- name: spools
-- Of these imports, those whose received bytes may still be needed.
SELECT id FROM imports
 WHERE id = ANY(%(ids)s)
   AND (closed_at IS NULL
        -- A dry run may be followed by the import itself.
        OR (state = 'read' AND (options ->> 'dry_run')::boolean AND closed_at >= %(since)s)
        OR EXISTS (SELECT 1 FROM items
                    WHERE job_id = imports.id AND state = 'failed' AND image_id IS NULL));
