-- name: open_items
-- How many of an import workers have still to take or finish, up to a number.
SELECT count(*)
  FROM (SELECT 1 FROM items WHERE lane = %(id)s AND state IN ('waiting', 'running')
         LIMIT %(most)s) AS counted;

-- name: unread
-- Items that wait for their photo: those that are tried again.
SELECT position FROM items
 WHERE job_id = %(id)s AND state = 'waiting' AND lane IS NULL
 ORDER BY position;

-- name: keys
-- Which of these names there are.
SELECT DISTINCT ON (items.key) items.position, items.key, items.state, items.reason, items.detail,
       items.attempts, items.image_id,
       CASE items.state WHEN 'indexed' THEN images.face_count END AS faces
  FROM items LEFT JOIN images ON images.id = items.image_id
 WHERE items.job_id = %(id)s AND md5(items.key) = ANY(%(digests)s) AND items.key = ANY(%(keys)s)
 ORDER BY items.key, items.position;

-- name: results
SELECT items.position, items.key, items.state, items.reason, items.detail, items.attempts, items.image_id,
       CASE items.state WHEN 'indexed' THEN images.face_count END AS faces
  FROM items LEFT JOIN images ON images.id = items.image_id
 WHERE items.job_id = %(id)s AND items.position > %(after)s
 ORDER BY items.position
 LIMIT %(limit)s;

-- name: results_in_state
SELECT items.position, items.key, items.state, items.reason, items.detail, items.attempts, items.image_id,
       CASE items.state WHEN 'indexed' THEN images.face_count END AS faces
  FROM items LEFT JOIN images ON images.id = items.image_id
 WHERE items.job_id = %(id)s AND items.position > %(after)s AND items.state = %(state)s
 ORDER BY items.position
 LIMIT %(limit)s;

-- name: results_not_indexed
-- Says for the planner which states its index is of.
SELECT items.position, items.key, items.state, items.reason, items.detail, items.attempts, items.image_id,
       CASE items.state WHEN 'indexed' THEN images.face_count END AS faces
  FROM items LEFT JOIN images ON images.id = items.image_id
 WHERE items.job_id = %(id)s AND items.position > %(after)s AND items.state = %(state)s
   AND items.state IN ('skipped', 'rejected', 'failed', 'dead')
 ORDER BY items.position
 LIMIT %(limit)s;

-- name: counts
SELECT state, reason, count(*) FROM items WHERE job_id = %(id)s GROUP BY state, reason;

-- name: lock_given_up
-- The images of items that can be tried again; the others were sent and indexed since by somebody else.
SELECT images.id
  FROM items JOIN images ON images.id = items.image_id AND images.state = 'dead'
 WHERE items.job_id = %(id)s AND items.state = ANY(%(states)s)
   AND items.state IN ('failed', 'dead')
 ORDER BY images.id
   FOR UPDATE OF images;

-- name: retry_photos
-- Those that failed with their photo stored wait for a worker again.
UPDATE items
   SET state = 'waiting', lane = job_id, attempts = 0, reason = NULL, detail = NULL, finished_at = NULL
 WHERE job_id = %(id)s AND state = ANY(%(states)s) AND state IN ('failed', 'dead')
   AND image_id = ANY(%(image_ids)s);

-- name: end_sent_again
UPDATE items SET state = 'skipped', reason = 'duplicate_image', detail = NULL
  FROM images
 WHERE items.job_id = %(id)s AND items.state = ANY(%(states)s)
   AND items.state IN ('failed', 'dead')
   AND images.id = items.image_id AND images.state <> 'dead';

-- name: retry_sources
-- Those whose source could not be read wait for a reader again.
UPDATE items
   SET state = 'waiting', attempts = 0, reason = NULL, detail = NULL, finished_at = NULL
 WHERE job_id = %(id)s AND state = 'failed' AND image_id IS NULL;

-- name: lock_cancelled
-- Photos of a cancelled import that no worker has taken and nobody else has sent.
SELECT images.id
  FROM items
  JOIN images ON images.id = items.image_id AND images.state = 'waiting'
 WHERE items.lane = %(id)s AND items.state = 'waiting'
   AND NOT EXISTS (SELECT 1 FROM items AS other
                    WHERE other.image_id = images.id AND other.job_id <> items.job_id)
 ORDER BY images.id
 LIMIT %(limit)s
   FOR UPDATE OF images;

-- name: cancel_photos
-- Asked again under the locks of the images: others may have sent them before those were granted.
UPDATE items SET state = 'skipped', reason = 'cancelled', finished_at = now()
 WHERE job_id = %(id)s AND image_id = ANY(%(image_ids)s) AND state = 'waiting'
   AND NOT EXISTS (SELECT 1 FROM items AS other
                    WHERE other.image_id = items.image_id AND other.job_id <> items.job_id)
RETURNING image_id;

-- name: cancel_unread
-- And those whose image was deleted meanwhile.
UPDATE items SET state = 'skipped', reason = 'cancelled', finished_at = now()
 WHERE job_id = %(id)s AND state = 'waiting' AND (lane IS NULL OR image_id IS NULL);

-- name: end_unread
-- Those that were to be tried again and are not in the source any more.
UPDATE items
   SET state = 'rejected', reason = 'source_missing', detail = %(detail)s, finished_at = now()
 WHERE job_id = %(id)s AND state = 'waiting' AND lane IS NULL;
