-- name: add_searches
-- In the order of the keys, so that two processes never wait in a circle. What was deleted meanwhile is left out.
INSERT INTO search_days AS known (collection_id, day, searches, hits)
SELECT given.collection_id, given.day, given.searches, given.hits
  FROM unnest(%(collection_ids)s::uuid[], %(days)s::date[], %(searches)s::bigint[], %(hits)s::bigint[])
       AS given (collection_id, day, searches, hits)
  JOIN collections ON collections.id = given.collection_id
 ORDER BY given.collection_id, given.day
ON CONFLICT (collection_id, day) DO UPDATE
   SET searches = known.searches + excluded.searches, hits = known.hits + excluded.hits;

-- name: add_found
INSERT INTO found_days AS known (collection_id, day, person_id, times)
SELECT people.collection_id, given.day, given.person_id, given.times
  FROM unnest(%(days)s::date[], %(person_ids)s::uuid[], %(times)s::bigint[])
       AS given (day, person_id, times)
  JOIN people ON people.id = given.person_id
 ORDER BY people.collection_id, given.day, given.person_id
ON CONFLICT (collection_id, day, person_id) DO UPDATE SET times = known.times + excluded.times;

-- name: by_day
SELECT day, searches, hits FROM search_days
 WHERE collection_id = %(collection_id)s AND day >= %(since)s
 ORDER BY day;

-- name: most_found
SELECT found_days.person_id, people.name, sum(found_days.times)::bigint AS times
  FROM found_days JOIN people ON people.id = found_days.person_id
 WHERE found_days.collection_id = %(collection_id)s AND found_days.day >= %(since)s
 GROUP BY found_days.person_id, people.name
 ORDER BY times DESC, found_days.person_id
 LIMIT %(limit)s;

-- name: forget_searches
DELETE FROM search_days WHERE day <= (now() AT TIME ZONE 'UTC')::date - %(days)s::integer;

-- name: forget_found
DELETE FROM found_days WHERE day <= (now() AT TIME ZONE 'UTC')::date - %(days)s::integer;
