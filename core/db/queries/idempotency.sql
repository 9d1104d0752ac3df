-- name: claim
-- Whatever is past its time makes room: an old answer, or a process that died.
INSERT INTO idempotency_keys AS kept (requester, key, request, holder, valid_until)
VALUES (%(requester)s, %(key)s, %(request)s, %(holder)s,
        now() + make_interval(secs => %(hold_s)s))
ON CONFLICT (requester, key) DO UPDATE
   SET request = excluded.request,
       holder = excluded.holder,
       valid_until = excluded.valid_until,
       body = NULL, body_size = NULL, status = NULL, headers = NULL, answer = NULL
 WHERE kept.valid_until < now();

-- name: find
SELECT request, body, body_size, status, headers, answer
  FROM idempotency_keys
 WHERE requester = %(requester)s AND key = %(key)s;

-- name: renew
UPDATE idempotency_keys SET valid_until = now() + make_interval(secs => %(hold_s)s)
 WHERE requester = %(requester)s AND key = %(key)s AND holder = %(holder)s AND status IS NULL;

-- name: keep
UPDATE idempotency_keys
   SET body = %(body)s,
       body_size = %(body_size)s,
       status = %(status)s,
       headers = %(headers)s,
       answer = %(answer)s,
       valid_until = now() + make_interval(hours => %(hours)s)
 WHERE requester = %(requester)s AND key = %(key)s AND holder = %(holder)s AND status IS NULL;

-- name: free
DELETE FROM idempotency_keys
 WHERE requester = %(requester)s AND key = %(key)s AND holder = %(holder)s AND status IS NULL;

-- name: delete_expired
DELETE FROM idempotency_keys WHERE valid_until < now();
