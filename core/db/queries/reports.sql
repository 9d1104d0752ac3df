-- name: ask
-- Whoever asks for one that waits or runs already gets that.
INSERT INTO reports (collection_id, name, actor)
VALUES (%(collection_id)s, %(name)s, %(actor)s)
ON CONFLICT (collection_id, name) WHERE state IN ('waiting', 'running') DO NOTHING;

-- name: get
SELECT id, collection_id, name, actor, state, step, done, total, detail, attempts, previous_id,
       findings, added, gone, summary, uuid_extract_timestamp(id) AS created_at, started_at,
       finished_at
  FROM reports WHERE id = %(id)s;

-- name: open
SELECT id, collection_id, name, actor, state, step, done, total, detail, attempts, previous_id,
       findings, added, gone, summary, uuid_extract_timestamp(id) AS created_at, started_at,
       finished_at
  FROM reports
 WHERE collection_id = %(collection_id)s AND state IN ('waiting', 'running')
 ORDER BY id;

-- name: page
-- Newest first.
SELECT id, collection_id, name, actor, state, step, done, total, detail, attempts, previous_id,
       findings, added, gone, summary, uuid_extract_timestamp(id) AS created_at, started_at,
       finished_at
  FROM reports
 WHERE collection_id = %(collection_id)s
   AND (%(name)s::text IS NULL OR name = %(name)s)
   AND (%(before)s::uuid IS NULL OR id < %(before)s)
 ORDER BY id DESC LIMIT %(limit)s;

-- name: latest
-- The newest version of each report that was made.
SELECT DISTINCT ON (name)
       id, collection_id, name, actor, state, step, done, total, detail, attempts, previous_id,
       findings, added, gone, summary, uuid_extract_timestamp(id) AS created_at, started_at,
       finished_at
  FROM reports
 WHERE collection_id = %(collection_id)s AND state = 'done'
 ORDER BY name, id DESC;

-- name: last
-- The newest version of each, whatever became of it.
SELECT DISTINCT ON (name)
       id, collection_id, name, actor, state, step, done, total, detail, attempts, previous_id,
       findings, added, gone, summary, uuid_extract_timestamp(id) AS created_at, started_at,
       finished_at
  FROM reports
 WHERE collection_id = %(collection_id)s
 ORDER BY name, id DESC;

-- name: claim
-- All that wait of the collection whose report waits longest: they read the same.
UPDATE reports
   SET state = 'running', attempts = attempts + 1, lease = %(lease)s, step = NULL, done = 0, total = 0,
       lease_until = now() + make_interval(secs => %(lease_s)s),
       started_at = coalesce(started_at, now())
 WHERE id IN (
       SELECT id FROM reports
        WHERE (state = 'waiting' OR (state = 'running' AND lease_until < now()))
          AND attempts < %(most_attempts)s
          AND collection_id = (
              SELECT collection_id FROM reports
               WHERE (state = 'waiting' OR (state = 'running' AND lease_until < now()))
                 AND attempts < %(most_attempts)s
               ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
        ORDER BY id FOR UPDATE SKIP LOCKED)
RETURNING id, collection_id, name, actor, state, step, done, total, detail, attempts, previous_id,
          findings, added, gone, summary, uuid_extract_timestamp(id) AS created_at, started_at,
          finished_at;

-- name: give_up
UPDATE reports SET state = 'failed', detail = %(detail)s, finished_at = now(), lease = NULL
 WHERE (state = 'waiting' OR (state = 'running' AND lease_until < now()))
   AND attempts >= %(most_attempts)s;

-- name: renew
UPDATE reports SET lease_until = now() + make_interval(secs => %(lease_s)s)
 WHERE lease = %(lease)s AND state = 'running';

-- name: is_ours
SELECT 1 FROM reports WHERE id = %(id)s AND lease = %(lease)s AND state = 'running';

-- name: lock_ours
SELECT 1 FROM reports WHERE id = %(id)s AND lease = %(lease)s AND state = 'running' FOR UPDATE;

-- name: progress
UPDATE reports SET step = %(step)s, done = %(done)s, total = %(total)s
 WHERE lease = %(lease)s AND state = 'running' AND (%(id)s::uuid IS NULL OR id = %(id)s);

-- name: put_back
-- A try that nothing was wrong with does not count.
UPDATE reports SET state = 'waiting', attempts = attempts - 1, lease = NULL, step = NULL
 WHERE lease = %(lease)s AND state = 'running';

-- name: fail
UPDATE reports SET state = 'failed', detail = %(detail)s, finished_at = now(), lease = NULL
 WHERE lease = %(lease)s AND state = 'running' AND (%(id)s::uuid IS NULL OR id = %(id)s);

-- name: cancel
UPDATE reports SET state = 'cancelled', finished_at = now(), lease = NULL
 WHERE id = %(id)s AND state IN ('waiting', 'running');

-- name: copy_findings
COPY report_findings (report_id, position, key, kind, score, sides, facts) FROM STDIN (FORMAT BINARY);

-- name: previous
SELECT id FROM reports
 WHERE collection_id = %(collection_id)s AND name = %(name)s AND state = 'done'
 ORDER BY id DESC LIMIT 1;

-- name: mark_new
-- Nothing is new in the first version.
UPDATE report_findings SET is_new = true
 WHERE report_id = %(id)s
   AND NOT EXISTS (SELECT 1 FROM report_findings AS before
                    WHERE before.report_id = %(previous_id)s AND before.key = report_findings.key);

-- name: finish
UPDATE reports
   SET state = 'done', finished_at = now(), lease = NULL, step = NULL, summary = %(summary)s,
       previous_id = %(previous_id)s,
       findings = (SELECT count(*) FROM report_findings WHERE report_id = %(id)s),
       added = (SELECT count(*) FROM report_findings WHERE report_id = %(id)s AND is_new),
       gone = (SELECT count(*) FROM report_findings AS before
                WHERE before.report_id = %(previous_id)s
                  AND NOT EXISTS (SELECT 1 FROM report_findings AS now_there
                                   WHERE now_there.report_id = %(id)s
                                     AND now_there.key = before.key))
 WHERE id = %(id)s;

-- name: findings
-- In the order of what matters.
SELECT report_id, position, key, kind, score, is_new, sides, facts
  FROM report_findings
 WHERE report_id = %(id)s
   AND (%(after)s::int IS NULL OR position > %(after)s)
   AND (%(kind)s::text IS NULL OR kind = %(kind)s)
   AND (NOT %(only_new)s OR is_new)
 ORDER BY position LIMIT %(limit)s;

-- name: gone
-- What the version before has and this one has not.
SELECT report_id, position, key, kind, score, is_new, sides, facts
  FROM report_findings AS before
 WHERE report_id = %(previous_id)s
   AND (%(after)s::int IS NULL OR position > %(after)s)
   AND NOT EXISTS (SELECT 1 FROM report_findings AS now_there
                    WHERE now_there.report_id = %(id)s AND now_there.key = before.key)
 ORDER BY position LIMIT %(limit)s;

-- name: forget
-- All but the newest versions of each report; of those that were not finished, all but the newest.
DELETE FROM reports
 WHERE id IN (SELECT id FROM (SELECT id, state, finished_at,
                                     row_number() OVER (PARTITION BY collection_id, name,
                                                                     state = 'done'
                                                        ORDER BY id DESC) AS age
                                FROM reports WHERE state NOT IN ('waiting', 'running')) AS aged
               WHERE age > CASE WHEN state = 'done' THEN %(keep)s ELSE 3 END);

-- name: delete
DELETE FROM reports WHERE id = %(id)s AND state NOT IN ('waiting', 'running');

-- name: due
-- Collections with faces of which a report is older than that, or was never made or tried.
SELECT collections.id, named.name
  FROM collections CROSS JOIN unnest(%(names)s::text[]) AS named(name)
 WHERE collections.face_count > 0
   -- Not while photos wait: there will be more to compare.
   AND NOT EXISTS (SELECT 1 FROM items WHERE items.collection_id = collections.id
                      AND items.state IN ('waiting', 'running'))
   AND NOT EXISTS (SELECT 1 FROM reports
                    WHERE reports.collection_id = collections.id AND reports.name = named.name
                      AND (state IN ('waiting', 'running')
                           OR finished_at > now() - make_interval(hours => %(hours)s)))
 ORDER BY collections.id, named.name;
