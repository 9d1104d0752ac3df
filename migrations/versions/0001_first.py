"""The first schema: collections, images, faces, people, jobs and access.

Why: everything the main job needs, laid out so that big collections can get partitions later.
Locks: none; the tables are new. Undo: drop the database.
"""

from alembic import op

revision = "0001"
down_revision = None

TAIL_PARTITIONS = 8
"""Hash partitions that the collections without a partition of their own share. Eight keep
planning fast and each one's B-trees shallow; more only matter with thousands of collections."""

EXTENSION = "CREATE EXTENSION IF NOT EXISTS vector;"

SPACES = """
-- An embedding contract. The id is a digest of all that makes vectors comparable.
CREATE TABLE spaces (
    id         text PRIMARY KEY CHECK (id ~ '^sp_[0-9a-f]{32}$'),
    pack       text NOT NULL,
    dimension  integer NOT NULL CHECK (dimension BETWEEN 1 AND 4000),
    contract   jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
"""

COLLECTIONS = """
CREATE TABLE collections (
    id               uuid PRIMARY KEY DEFAULT uuidv7(),
    name             text NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 200),
    external_id      text UNIQUE,
    metadata         jsonb NOT NULL DEFAULT '{}',
    space_id         text NOT NULL REFERENCES spaces (id),
    threshold        real NOT NULL CHECK (threshold BETWEEN -1 AND 1),
    threshold_source text NOT NULL,
    -- Kept by whoever adds or removes rows, in the same transaction: search is routed by them.
    image_count      bigint NOT NULL DEFAULT 0 CHECK (image_count >= 0),
    face_count       bigint NOT NULL DEFAULT 0 CHECK (face_count >= 0),
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now()
);
"""

PEOPLE = """
CREATE TABLE people (
    id            uuid PRIMARY KEY DEFAULT uuidv7(),
    collection_id uuid NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    external_id   text,
    metadata      jsonb NOT NULL DEFAULT '{}',
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (collection_id, external_id)
);
CREATE INDEX people_by_collection ON people (collection_id, id);
CREATE INDEX people_by_name ON people (collection_id, lower(name));
"""

IMAGES = """
CREATE TABLE images (
    id            uuid PRIMARY KEY DEFAULT uuidv7(),
    collection_id uuid NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    sha256        bytea NOT NULL CHECK (length(sha256) = 32),
    external_id   text,
    metadata      jsonb NOT NULL DEFAULT '{}',
    filename      text,
    format        text NOT NULL,
    bytes         bigint NOT NULL,
    -- Of the upright image; from the header until a worker has decoded it.
    width         integer NOT NULL,
    height        integer NOT NULL,
    state         text NOT NULL DEFAULT 'waiting'
                  CHECK (state IN ('waiting', 'indexed', 'rejected', 'dead')),
    reason        text,
    detail        text,
    face_count    integer NOT NULL DEFAULT 0,
    -- Faces that were found and cannot be searched: box, score and reason of each.
    skipped_faces jsonb NOT NULL DEFAULT '[]',
    created_at    timestamptz NOT NULL DEFAULT now(),
    finished_at   timestamptz,
    UNIQUE (collection_id, sha256),
    UNIQUE (collection_id, external_id)
);
CREATE INDEX images_by_collection ON images (collection_id, id);
CREATE INDEX images_by_sha256 ON images (sha256);
COMMENT ON COLUMN images.sha256 IS 'Of the bytes as uploaded; also the key of the blobs.';
COMMENT ON COLUMN images.reason IS 'Why it was rejected, or no_face_found of an indexed image.';
"""

FACES = """
CREATE TABLE faces (
    id            uuid NOT NULL DEFAULT uuidv7(),
    collection_id uuid NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    image_id      uuid NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    person_id     uuid REFERENCES people (id) ON DELETE SET NULL,
    position      smallint NOT NULL,
    external_id   text,
    metadata      jsonb NOT NULL DEFAULT '{}',
    box           real[] NOT NULL CHECK (array_length(box, 1) = 4),
    landmarks     real[] NOT NULL CHECK (array_length(landmarks, 1) = 10),
    score         real NOT NULL,
    norm          real NOT NULL,
    quality       real NOT NULL,
    sharpness     real NOT NULL,
    brightness    real NOT NULL,
    size          real NOT NULL,
    yaw           real NOT NULL,
    pitch         real NOT NULL,
    roll          real NOT NULL,
    -- No fixed dimension: collections of different spaces share the table, and each is
    -- searched alone. 512 numbers are 1,032 bytes and stay inline, which halves a scan's cost.
    embedding     halfvec NOT NULL CHECK (abs(l2_norm(embedding) - 1) < 0.01),
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (collection_id, id),
    -- What makes indexing idempotent; leads with image_id because deletes arrive by image.
    UNIQUE (image_id, position, collection_id),
    UNIQUE (collection_id, external_id)
) PARTITION BY LIST (collection_id);
CREATE INDEX faces_by_id ON faces (id);
-- In this order a person's best face is the first entry.
CREATE INDEX faces_by_person ON faces (person_id, quality DESC, id) WHERE person_id IS NOT NULL;
CREATE TABLE faces_tail PARTITION OF faces DEFAULT PARTITION BY HASH (collection_id);
COMMENT ON COLUMN faces.position IS 'Index of the face in its image, best detector score first.';
COMMENT ON COLUMN faces.box IS 'left, top, right, bottom in pixels of the upright image.';
COMMENT ON COLUMN faces.norm IS 'Length of the raw embedding.';
"""

EVENTS = """
-- Who moved which face where. Append-only: faces.person_id can be rebuilt from it.
CREATE TABLE assignment_events (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection_id      uuid NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    face_id            uuid NOT NULL,
    person_id          uuid,
    previous_person_id uuid,
    actor              text NOT NULL,
    created_at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX assignment_events_by_face ON assignment_events (face_id, id);
"""

JOBS = """
CREATE TABLE jobs (
    id            uuid PRIMARY KEY DEFAULT uuidv7(),
    collection_id uuid NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    kind          text NOT NULL CHECK (kind IN ('upload')),
    created_at    timestamptz NOT NULL DEFAULT now()
);

-- One photo handed in: the unit of work. Rows are the truth; messages only ring.
CREATE TABLE items (
    id            uuid PRIMARY KEY DEFAULT uuidv7(),
    job_id        uuid NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    collection_id uuid NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    image_id      uuid REFERENCES images (id) ON DELETE SET NULL,
    position      integer NOT NULL,
    key           text NOT NULL,
    state         text NOT NULL
                  CHECK (state IN ('waiting', 'running', 'indexed', 'skipped', 'rejected', 'dead')),
    reason        text,
    detail        text,
    attempts      smallint NOT NULL DEFAULT 0,
    lease_until   timestamptz,
    -- Given anew at every claim; only its holder may finish the item.
    lease         uuid,
    finished_at   timestamptz,
    UNIQUE (job_id, position)
);
CREATE INDEX items_to_do ON items (id) WHERE state IN ('waiting', 'running');
-- The sweeper looks for hopeless ones, and need not go through the whole backlog for them.
CREATE INDEX items_tried ON items (attempts) WHERE state IN ('waiting', 'running') AND attempts > 0;
CREATE INDEX items_by_image ON items (image_id);
CREATE INDEX items_by_collection ON items (collection_id);
COMMENT ON COLUMN items.key IS 'The name the sender knows the photo by.';
"""

DOOMED_FILES = """
-- Files whose rows are gone: written with the deletion, struck out when the file is removed, so
-- that a crash between the two leaves no photo for ever.
CREATE TABLE doomed_files (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    deletion uuid NOT NULL,
    kind     text NOT NULL CHECK (kind IN ('photo', 'crop')),
    key      text NOT NULL
);
CREATE INDEX doomed_files_by_deletion ON doomed_files (deletion, id);
"""

ACCESS = """
CREATE TABLE api_keys (
    id           uuid PRIMARY KEY DEFAULT uuidv7(),
    name         text NOT NULL UNIQUE,
    hint         text NOT NULL,
    sha256       bytea NOT NULL UNIQUE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    revoked_at   timestamptz
);
COMMENT ON COLUMN api_keys.sha256 IS 'Of a key of 256 random bits; a slow hash would add nothing.';

CREATE TABLE login_links (
    sha256     bytea PRIMARY KEY,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE sessions (
    sha256     bytea PRIMARY KEY,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Keys that every web process must share, such as the one that signs cursors.
CREATE TABLE secrets (
    name  text PRIMARY KEY,
    value bytea NOT NULL
);
"""


def upgrade() -> None:
    """Create everything."""
    for script in (
        *(EXTENSION, SPACES, COLLECTIONS, PEOPLE, IMAGES, FACES, EVENTS, JOBS, DOOMED_FILES),
        ACCESS,
    ):
        op.execute(script)
    for remainder in range(TAIL_PARTITIONS):
        op.execute(
            f"CREATE TABLE faces_tail_{remainder} PARTITION OF faces_tail "
            f"FOR VALUES WITH (MODULUS {TAIL_PARTITIONS}, REMAINDER {remainder});"
        )
