-- name: take_up
-- What was decided and is found again is asked again: the decision was undone, or means nothing now. Not
-- so if it was decided since the look began. In one order, so that nobody waits in a circle.
INSERT INTO review_items (collection_id, source, key, kind, score, sides, facts)
SELECT %(collection_id)s, %(source)s, found.key, found.kind, found.score, found.sides, found.facts
  FROM unnest(%(keys)s::text[], %(kinds)s::text[], %(scores)s::real[], %(sides)s::jsonb[],
              %(facts)s::jsonb[]) AS found(key, kind, score, sides, facts)
 ORDER BY found.key
ON CONFLICT (collection_id, source, key) DO UPDATE
   SET kind = excluded.kind, score = excluded.score, sides = excluded.sides,
       facts = excluded.facts,
       state = CASE review_items.state WHEN 'later' THEN 'later' ELSE 'open' END,
       decision = NULL, decided_by = NULL, decided_at = NULL, change_id = NULL
 WHERE review_items.decided_at IS NULL OR review_items.decided_at < coalesce(%(seen_at)s::timestamptz, now());

-- name: settle
-- What a report does not find any more was answered elsewhere.
UPDATE review_items SET state = 'settled'
 WHERE collection_id = %(collection_id)s AND source = %(source)s AND state IN ('open', 'later')
   AND key <> ALL(%(keys)s);

-- name: settle_one
-- One that somebody is deciding is left to them: they may wait for what the caller holds.
UPDATE review_items SET state = 'settled'
 WHERE id IN (SELECT id FROM review_items WHERE id = %(id)s AND state IN ('open', 'later')
                 FOR UPDATE SKIP LOCKED);

-- name: get
SELECT id, collection_id, source, key, kind, score, sides, facts, state, decision, decided_by,
       decided_at, change_id, uuid_extract_timestamp(id) AS created_at
  FROM review_items WHERE id = %(id)s;

-- name: many
SELECT id, collection_id, source, key, kind, score, sides, facts, state, decision, decided_by,
       decided_at, change_id, uuid_extract_timestamp(id) AS created_at
  FROM review_items WHERE id = ANY(%(ids)s)
 ORDER BY score DESC, id DESC;

-- name: lock
SELECT id, collection_id, source, key, kind, score, sides, facts, state, decision, decided_by,
       decided_at, change_id, uuid_extract_timestamp(id) AS created_at
  FROM review_items WHERE id = %(id)s FOR UPDATE;

-- name: page
-- The surest first; later ones, and those that are over, by the same order.
SELECT id, collection_id, source, key, kind, score, sides, facts, state, decision, decided_by,
       decided_at, change_id, uuid_extract_timestamp(id) AS created_at
  FROM review_items
 WHERE collection_id = %(collection_id)s AND state = %(state)s
   AND (%(source)s::text IS NULL OR source = %(source)s)
   AND (%(after_score)s::real IS NULL
        OR (score, id) < (%(after_score)s::real, %(after_id)s::uuid))
 ORDER BY score DESC, id DESC
 LIMIT %(limit)s;

-- name: before
-- The nearest one ahead, in the order of page.
SELECT id, collection_id, source, key, kind, score, sides, facts, state, decision, decided_by,
       decided_at, change_id, uuid_extract_timestamp(id) AS created_at
  FROM review_items
 WHERE collection_id = %(collection_id)s AND state = %(state)s
   AND (%(source)s::text IS NULL OR source = %(source)s)
   AND (score, id) > (%(score)s::real, %(id)s::uuid)
 ORDER BY score, id
 LIMIT 1;

-- name: of_keys
SELECT id, collection_id, source, key, kind, score, sides, facts, state, decision, decided_by,
       decided_at, change_id, uuid_extract_timestamp(id) AS created_at
  FROM review_items
 WHERE collection_id = %(collection_id)s AND source = %(source)s AND key = ANY(%(keys)s);

-- name: open_about
-- Of some hundreds that wait; each shows its first face in front.
SELECT id, collection_id, source, key, kind, score, sides, facts, state, decision, decided_by,
       decided_at, change_id, uuid_extract_timestamp(id) AS created_at
  FROM review_items
 WHERE collection_id = %(collection_id)s AND state IN ('open', 'later')
   AND EXISTS (SELECT 1 FROM jsonb_array_elements(sides) AS side
                WHERE side ->> 'person_id' = ANY(%(people)s::text[])
                   OR side -> 'faces' ->> 0 = ANY(%(faces)s::text[]))
 ORDER BY id;

-- name: counts
SELECT source, state, count(*) AS count FROM review_items
 WHERE collection_id = %(collection_id)s
 GROUP BY source, state ORDER BY source, state;

-- name: postpone
UPDATE review_items SET state = %(state)s
 WHERE id = %(id)s AND state IN ('open', 'later');

-- name: decide
UPDATE review_items
   SET state = 'decided', decision = %(decision)s, decided_by = %(actor)s, decided_at = now(),
       change_id = %(change_id)s
 WHERE id = %(id)s;

-- name: reopen
-- Its decision was undone.
UPDATE review_items
   SET state = 'open', decision = NULL, decided_by = NULL, decided_at = NULL, change_id = NULL
 WHERE change_id = %(change_id)s;
