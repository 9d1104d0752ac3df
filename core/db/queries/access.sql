-- name: insert_key
INSERT INTO api_keys (name, hint, sha256) VALUES (%(name)s, %(hint)s, %(sha256)s) RETURNING id;

-- name: keys
SELECT id, name, hint, created_at, last_used_at, revoked_at FROM api_keys ORDER BY created_at;

-- name: use_key
-- The last use is kept to the minute, so that a busy key does not rewrite its row all the time.
WITH found AS (
    SELECT id, name, last_used_at FROM api_keys
     WHERE sha256 = %(sha256)s AND revoked_at IS NULL
), touched AS (
    UPDATE api_keys SET last_used_at = now()
      FROM found
     WHERE api_keys.id = found.id
       AND (found.last_used_at IS NULL OR found.last_used_at < now() - interval '1 minute')
)
SELECT name FROM found;

-- name: revoke_key
UPDATE api_keys SET revoked_at = now() WHERE name = %(name)s AND revoked_at IS NULL;

-- name: insert_link
INSERT INTO login_links (sha256, expires_at)
VALUES (%(sha256)s, now() + make_interval(mins => %(minutes)s));

-- name: use_link
DELETE FROM login_links WHERE sha256 = %(sha256)s RETURNING expires_at > now() AS valid;

-- name: insert_session
INSERT INTO sessions (sha256, expires_at)
VALUES (%(sha256)s, now() + make_interval(days => %(days)s));

-- name: session_is_valid
SELECT EXISTS (SELECT 1 FROM sessions WHERE sha256 = %(sha256)s AND expires_at > now());

-- name: delete_session
DELETE FROM sessions WHERE sha256 = %(sha256)s;

-- name: delete_expired
WITH links AS (DELETE FROM login_links WHERE expires_at < now())
DELETE FROM sessions WHERE expires_at < now();

-- name: keep_secret
INSERT INTO secrets (name, value) VALUES (%(name)s, %(value)s) ON CONFLICT (name) DO NOTHING;

-- name: secret
SELECT value FROM secrets WHERE name = %(name)s;
