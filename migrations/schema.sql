CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;

COMMENT ON EXTENSION vector IS 'vector data type and ivfflat and hnsw access methods';

CREATE FUNCTION public.home_of_face(face_id uuid) RETURNS uuid
    LANGUAGE plpgsql STABLE
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
        BEGIN
            RETURN (SELECT faces.collection_id FROM faces WHERE faces.id = face_id);
        END $$;

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);

CREATE TABLE public.api_keys (
    id uuid DEFAULT uuidv7() NOT NULL,
    name text NOT NULL,
    hint text NOT NULL,
    sha256 bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone
);

COMMENT ON COLUMN public.api_keys.sha256 IS 'Of a key of 256 random bits; a slow hash would add nothing.';

CREATE TABLE public.arrivals (
    face_id uuid NOT NULL,
    collection_id uuid NOT NULL
);

COMMENT ON TABLE public.arrivals IS 'Faces that no look for conflicts has seen yet; the face may be gone meanwhile.';

CREATE TABLE public.assignment_events (
    id bigint NOT NULL,
    collection_id uuid NOT NULL,
    face_id uuid NOT NULL,
    person_id uuid,
    previous_person_id uuid,
    actor text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    change_id uuid
);

COMMENT ON COLUMN public.assignment_events.change_id IS 'Null: of before there were changes.';

ALTER TABLE public.assignment_events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.assignment_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.changes (
    id uuid DEFAULT uuidv7() NOT NULL,
    collection_id uuid NOT NULL,
    kind text NOT NULL,
    actor text NOT NULL,
    undoes uuid,
    CONSTRAINT changes_check CHECK (((kind = 'undo'::text) = (undoes IS NOT NULL))),
    CONSTRAINT changes_kind_check CHECK ((kind = ANY (ARRAY['baseline'::text, 'create'::text, 'edit'::text, 'delete'::text, 'assign'::text, 'unassign'::text, 'merge'::text, 'split'::text, 'decide'::text, 'enrol'::text, 'undo'::text])))
);

COMMENT ON TABLE public.changes IS 'What one actor did at one time; its events name it. The id tells when.';

COMMENT ON COLUMN public.changes.undoes IS 'The change that this one takes back, wholly or in part.';

CREATE TABLE public.collections (
    id uuid DEFAULT uuidv7() NOT NULL,
    name text NOT NULL,
    external_id text,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    space_id text NOT NULL,
    threshold real NOT NULL,
    threshold_source text NOT NULL,
    image_count bigint DEFAULT 0 NOT NULL,
    face_count bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    quality_gate text DEFAULT 'off'::text NOT NULL,
    layout text DEFAULT 'tail'::text NOT NULL,
    person_count bigint DEFAULT 0 NOT NULL,
    alarm_budget integer,
    impostors jsonb,
    ef_search smallint,
    keeps_queries boolean DEFAULT true NOT NULL,
    keeps text DEFAULT 'originals'::text NOT NULL,
    CONSTRAINT collections_alarm_budget_check CHECK (((alarm_budget >= 2) AND (alarm_budget <= 1000000000))),
    CONSTRAINT collections_budget_is_calibrated CHECK (((alarm_budget IS NULL) OR (impostors IS NOT NULL))),
    CONSTRAINT collections_ef_search_check CHECK (((ef_search >= 10) AND (ef_search <= 1000))),
    CONSTRAINT collections_face_count_check CHECK ((face_count >= 0)),
    CONSTRAINT collections_image_count_check CHECK ((image_count >= 0)),
    CONSTRAINT collections_keeps_check CHECK ((keeps = ANY (ARRAY['originals'::text, 'crops'::text, 'vectors'::text]))),
    CONSTRAINT collections_layout_check CHECK ((layout = ANY (ARRAY['tail'::text, 'own'::text]))),
    CONSTRAINT collections_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200))),
    CONSTRAINT collections_person_count_check CHECK ((person_count >= 0)),
    CONSTRAINT collections_quality_gate_check CHECK ((quality_gate = ANY (ARRAY['off'::text, 'standard'::text, 'strict'::text]))),
    CONSTRAINT collections_threshold_check CHECK (((threshold >= ('-1'::integer)::double precision) AND (threshold <= (1)::double precision)))
);

COMMENT ON COLUMN public.collections.quality_gate IS 'What faces must measure up to; counts for photos indexed from now on.';

COMMENT ON COLUMN public.collections.layout IS 'own: its faces are in the partition faces_c_<id>; tail: in the hashed default one.';

COMMENT ON COLUMN public.collections.alarm_budget IS 'N of "a search for a stranger finds somebody at most once in N"; null: `threshold`.';

COMMENT ON COLUMN public.collections.impostors IS 'What the last calibration found: which cosine keeps which false match rate.';

COMMENT ON COLUMN public.collections.ef_search IS 'Null: FACESEARCH_HNSW_EF_SEARCH.';

COMMENT ON COLUMN public.collections.keeps_queries IS 'Whether a few query vectors are kept, so that recall can be measured on real ones.';

COMMENT ON COLUMN public.collections.keeps IS 'originals: photo, small copies and crops; crops: crops alone; vectors: no picture at all. Counts for photos indexed from now on.';

CREATE TABLE public.constraints (
    id uuid DEFAULT uuidv7() NOT NULL,
    collection_id uuid NOT NULL,
    kind text NOT NULL,
    face_id uuid NOT NULL,
    other_face_id uuid,
    person_id uuid,
    change_id uuid NOT NULL,
    withdrawn_by uuid,
    CONSTRAINT constraints_check CHECK (
CASE kind
    WHEN 'must_link'::text THEN ((face_id < other_face_id) AND (person_id IS NULL) AND (other_face_id IS NOT NULL))
    WHEN 'cannot_link'::text THEN ((face_id < other_face_id) AND (person_id IS NULL) AND (other_face_id IS NOT NULL))
    WHEN 'not_person'::text THEN ((other_face_id IS NULL) AND (person_id IS NOT NULL))
    WHEN 'not_face'::text THEN ((other_face_id IS NULL) AND (person_id IS NULL))
    ELSE false
END)
);

COMMENT ON TABLE public.constraints IS 'What was decided about faces. Those of faces or people that are gone stay and mean nothing: a person may come back by an undo.';

COMMENT ON COLUMN public.constraints.withdrawn_by IS 'The change that took it back; null: it holds.';

CREATE TABLE public.doomed_files (
    id bigint NOT NULL,
    deletion uuid NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    CONSTRAINT doomed_files_kind_check CHECK ((kind = ANY (ARRAY['photo'::text, 'crop'::text])))
);

ALTER TABLE public.doomed_files ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.doomed_files_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.face_edges (
    graph_id uuid NOT NULL,
    face_id uuid NOT NULL,
    neighbours uuid[] NOT NULL,
    cosines real[] NOT NULL,
    CONSTRAINT face_edges_check CHECK ((cardinality(neighbours) = cardinality(cosines)))
);

COMMENT ON COLUMN public.face_edges.neighbours IS 'The nearest other faces of the collection, nearest first. Some may be gone.';

CREATE TABLE public.faces (
    id uuid DEFAULT uuidv7() NOT NULL,
    collection_id uuid NOT NULL,
    image_id uuid NOT NULL,
    person_id uuid,
    "position" smallint NOT NULL,
    external_id text,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    box real[] NOT NULL,
    landmarks real[] NOT NULL,
    score real NOT NULL,
    norm real NOT NULL,
    quality real NOT NULL,
    sharpness real NOT NULL,
    brightness real NOT NULL,
    size real NOT NULL,
    yaw real NOT NULL,
    pitch real NOT NULL,
    roll real NOT NULL,
    embedding public.halfvec NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    captured_at timestamp with time zone,
    cluster_id uuid,
    hidden boolean DEFAULT false NOT NULL,
    CONSTRAINT faces_box_check CHECK ((array_length(box, 1) = 4)),
    CONSTRAINT faces_embedding_check CHECK ((abs((public.l2_norm(embedding) - (1)::double precision)) < (0.01)::double precision)),
    CONSTRAINT faces_landmarks_check CHECK ((array_length(landmarks, 1) = 10))
)
PARTITION BY LIST (collection_id);

COMMENT ON COLUMN public.faces."position" IS 'Index of the face in its image, best detector score first.';

COMMENT ON COLUMN public.faces.box IS 'left, top, right, bottom in pixels of the upright image.';

COMMENT ON COLUMN public.faces.norm IS 'Length of the raw embedding.';

COMMENT ON COLUMN public.faces.tags IS 'A copy of the image''s, as captured_at is.';

COMMENT ON COLUMN public.faces.cluster_id IS 'Unnamed faces with the same value look like one person.';

COMMENT ON COLUMN public.faces.hidden IS 'Somebody said that it is no face: it is not found, not counted, and has no person.';

CREATE TABLE public.faces_tail (
    id uuid DEFAULT uuidv7() CONSTRAINT faces_id_not_null NOT NULL,
    collection_id uuid CONSTRAINT faces_collection_id_not_null NOT NULL,
    image_id uuid CONSTRAINT faces_image_id_not_null NOT NULL,
    person_id uuid,
    "position" smallint CONSTRAINT faces_position_not_null NOT NULL,
    external_id text,
    metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT faces_metadata_not_null NOT NULL,
    box real[] CONSTRAINT faces_box_not_null NOT NULL,
    landmarks real[] CONSTRAINT faces_landmarks_not_null NOT NULL,
    score real CONSTRAINT faces_score_not_null NOT NULL,
    norm real CONSTRAINT faces_norm_not_null NOT NULL,
    quality real CONSTRAINT faces_quality_not_null NOT NULL,
    sharpness real CONSTRAINT faces_sharpness_not_null NOT NULL,
    brightness real CONSTRAINT faces_brightness_not_null NOT NULL,
    size real CONSTRAINT faces_size_not_null NOT NULL,
    yaw real CONSTRAINT faces_yaw_not_null NOT NULL,
    pitch real CONSTRAINT faces_pitch_not_null NOT NULL,
    roll real CONSTRAINT faces_roll_not_null NOT NULL,
    embedding public.halfvec CONSTRAINT faces_embedding_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT faces_created_at_not_null NOT NULL,
    tags text[] DEFAULT '{}'::text[] CONSTRAINT faces_tags_not_null NOT NULL,
    captured_at timestamp with time zone,
    cluster_id uuid,
    hidden boolean DEFAULT false CONSTRAINT faces_hidden_not_null NOT NULL,
    CONSTRAINT faces_box_check CHECK ((array_length(box, 1) = 4)),
    CONSTRAINT faces_embedding_check CHECK ((abs((public.l2_norm(embedding) - (1)::double precision)) < (0.01)::double precision)),
    CONSTRAINT faces_landmarks_check CHECK ((array_length(landmarks, 1) = 10))
)
PARTITION BY HASH (collection_id);

CREATE TABLE public.faces_tail_0 (
    id uuid DEFAULT uuidv7() CONSTRAINT faces_id_not_null NOT NULL,
    collection_id uuid CONSTRAINT faces_collection_id_not_null NOT NULL,
    image_id uuid CONSTRAINT faces_image_id_not_null NOT NULL,
    person_id uuid,
    "position" smallint CONSTRAINT faces_position_not_null NOT NULL,
    external_id text,
    metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT faces_metadata_not_null NOT NULL,
    box real[] CONSTRAINT faces_box_not_null NOT NULL,
    landmarks real[] CONSTRAINT faces_landmarks_not_null NOT NULL,
    score real CONSTRAINT faces_score_not_null NOT NULL,
    norm real CONSTRAINT faces_norm_not_null NOT NULL,
    quality real CONSTRAINT faces_quality_not_null NOT NULL,
    sharpness real CONSTRAINT faces_sharpness_not_null NOT NULL,
    brightness real CONSTRAINT faces_brightness_not_null NOT NULL,
    size real CONSTRAINT faces_size_not_null NOT NULL,
    yaw real CONSTRAINT faces_yaw_not_null NOT NULL,
    pitch real CONSTRAINT faces_pitch_not_null NOT NULL,
    roll real CONSTRAINT faces_roll_not_null NOT NULL,
    embedding public.halfvec CONSTRAINT faces_embedding_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT faces_created_at_not_null NOT NULL,
    tags text[] DEFAULT '{}'::text[] CONSTRAINT faces_tags_not_null NOT NULL,
    captured_at timestamp with time zone,
    cluster_id uuid,
    hidden boolean DEFAULT false CONSTRAINT faces_hidden_not_null NOT NULL,
    CONSTRAINT faces_box_check CHECK ((array_length(box, 1) = 4)),
    CONSTRAINT faces_embedding_check CHECK ((abs((public.l2_norm(embedding) - (1)::double precision)) < (0.01)::double precision)),
    CONSTRAINT faces_landmarks_check CHECK ((array_length(landmarks, 1) = 10))
);

CREATE TABLE public.faces_tail_1 (
    id uuid DEFAULT uuidv7() CONSTRAINT faces_id_not_null NOT NULL,
    collection_id uuid CONSTRAINT faces_collection_id_not_null NOT NULL,
    image_id uuid CONSTRAINT faces_image_id_not_null NOT NULL,
    person_id uuid,
    "position" smallint CONSTRAINT faces_position_not_null NOT NULL,
    external_id text,
    metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT faces_metadata_not_null NOT NULL,
    box real[] CONSTRAINT faces_box_not_null NOT NULL,
    landmarks real[] CONSTRAINT faces_landmarks_not_null NOT NULL,
    score real CONSTRAINT faces_score_not_null NOT NULL,
    norm real CONSTRAINT faces_norm_not_null NOT NULL,
    quality real CONSTRAINT faces_quality_not_null NOT NULL,
    sharpness real CONSTRAINT faces_sharpness_not_null NOT NULL,
    brightness real CONSTRAINT faces_brightness_not_null NOT NULL,
    size real CONSTRAINT faces_size_not_null NOT NULL,
    yaw real CONSTRAINT faces_yaw_not_null NOT NULL,
    pitch real CONSTRAINT faces_pitch_not_null NOT NULL,
    roll real CONSTRAINT faces_roll_not_null NOT NULL,
    embedding public.halfvec CONSTRAINT faces_embedding_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT faces_created_at_not_null NOT NULL,
    tags text[] DEFAULT '{}'::text[] CONSTRAINT faces_tags_not_null NOT NULL,
    captured_at timestamp with time zone,
    cluster_id uuid,
    hidden boolean DEFAULT false CONSTRAINT faces_hidden_not_null NOT NULL,
    CONSTRAINT faces_box_check CHECK ((array_length(box, 1) = 4)),
    CONSTRAINT faces_embedding_check CHECK ((abs((public.l2_norm(embedding) - (1)::double precision)) < (0.01)::double precision)),
    CONSTRAINT faces_landmarks_check CHECK ((array_length(landmarks, 1) = 10))
);

CREATE TABLE public.faces_tail_2 (
    id uuid DEFAULT uuidv7() CONSTRAINT faces_id_not_null NOT NULL,
    collection_id uuid CONSTRAINT faces_collection_id_not_null NOT NULL,
    image_id uuid CONSTRAINT faces_image_id_not_null NOT NULL,
    person_id uuid,
    "position" smallint CONSTRAINT faces_position_not_null NOT NULL,
    external_id text,
    metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT faces_metadata_not_null NOT NULL,
    box real[] CONSTRAINT faces_box_not_null NOT NULL,
    landmarks real[] CONSTRAINT faces_landmarks_not_null NOT NULL,
    score real CONSTRAINT faces_score_not_null NOT NULL,
    norm real CONSTRAINT faces_norm_not_null NOT NULL,
    quality real CONSTRAINT faces_quality_not_null NOT NULL,
    sharpness real CONSTRAINT faces_sharpness_not_null NOT NULL,
    brightness real CONSTRAINT faces_brightness_not_null NOT NULL,
    size real CONSTRAINT faces_size_not_null NOT NULL,
    yaw real CONSTRAINT faces_yaw_not_null NOT NULL,
    pitch real CONSTRAINT faces_pitch_not_null NOT NULL,
    roll real CONSTRAINT faces_roll_not_null NOT NULL,
    embedding public.halfvec CONSTRAINT faces_embedding_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT faces_created_at_not_null NOT NULL,
    tags text[] DEFAULT '{}'::text[] CONSTRAINT faces_tags_not_null NOT NULL,
    captured_at timestamp with time zone,
    cluster_id uuid,
    hidden boolean DEFAULT false CONSTRAINT faces_hidden_not_null NOT NULL,
    CONSTRAINT faces_box_check CHECK ((array_length(box, 1) = 4)),
    CONSTRAINT faces_embedding_check CHECK ((abs((public.l2_norm(embedding) - (1)::double precision)) < (0.01)::double precision)),
    CONSTRAINT faces_landmarks_check CHECK ((array_length(landmarks, 1) = 10))
);

CREATE TABLE public.faces_tail_3 (
    id uuid DEFAULT uuidv7() CONSTRAINT faces_id_not_null NOT NULL,
    collection_id uuid CONSTRAINT faces_collection_id_not_null NOT NULL,
    image_id uuid CONSTRAINT faces_image_id_not_null NOT NULL,
    person_id uuid,
    "position" smallint CONSTRAINT faces_position_not_null NOT NULL,
    external_id text,
    metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT faces_metadata_not_null NOT NULL,
    box real[] CONSTRAINT faces_box_not_null NOT NULL,
    landmarks real[] CONSTRAINT faces_landmarks_not_null NOT NULL,
    score real CONSTRAINT faces_score_not_null NOT NULL,
    norm real CONSTRAINT faces_norm_not_null NOT NULL,
    quality real CONSTRAINT faces_quality_not_null NOT NULL,
    sharpness real CONSTRAINT faces_sharpness_not_null NOT NULL,
    brightness real CONSTRAINT faces_brightness_not_null NOT NULL,
    size real CONSTRAINT faces_size_not_null NOT NULL,
    yaw real CONSTRAINT faces_yaw_not_null NOT NULL,
    pitch real CONSTRAINT faces_pitch_not_null NOT NULL,
    roll real CONSTRAINT faces_roll_not_null NOT NULL,
    embedding public.halfvec CONSTRAINT faces_embedding_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT faces_created_at_not_null NOT NULL,
    tags text[] DEFAULT '{}'::text[] CONSTRAINT faces_tags_not_null NOT NULL,
    captured_at timestamp with time zone,
    cluster_id uuid,
    hidden boolean DEFAULT false CONSTRAINT faces_hidden_not_null NOT NULL,
    CONSTRAINT faces_box_check CHECK ((array_length(box, 1) = 4)),
    CONSTRAINT faces_embedding_check CHECK ((abs((public.l2_norm(embedding) - (1)::double precision)) < (0.01)::double precision)),
    CONSTRAINT faces_landmarks_check CHECK ((array_length(landmarks, 1) = 10))
);

CREATE TABLE public.faces_tail_4 (
    id uuid DEFAULT uuidv7() CONSTRAINT faces_id_not_null NOT NULL,
    collection_id uuid CONSTRAINT faces_collection_id_not_null NOT NULL,
    image_id uuid CONSTRAINT faces_image_id_not_null NOT NULL,
    person_id uuid,
    "position" smallint CONSTRAINT faces_position_not_null NOT NULL,
    external_id text,
    metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT faces_metadata_not_null NOT NULL,
    box real[] CONSTRAINT faces_box_not_null NOT NULL,
    landmarks real[] CONSTRAINT faces_landmarks_not_null NOT NULL,
    score real CONSTRAINT faces_score_not_null NOT NULL,
    norm real CONSTRAINT faces_norm_not_null NOT NULL,
    quality real CONSTRAINT faces_quality_not_null NOT NULL,
    sharpness real CONSTRAINT faces_sharpness_not_null NOT NULL,
    brightness real CONSTRAINT faces_brightness_not_null NOT NULL,
    size real CONSTRAINT faces_size_not_null NOT NULL,
    yaw real CONSTRAINT faces_yaw_not_null NOT NULL,
    pitch real CONSTRAINT faces_pitch_not_null NOT NULL,
    roll real CONSTRAINT faces_roll_not_null NOT NULL,
    embedding public.halfvec CONSTRAINT faces_embedding_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT faces_created_at_not_null NOT NULL,
    tags text[] DEFAULT '{}'::text[] CONSTRAINT faces_tags_not_null NOT NULL,
    captured_at timestamp with time zone,
    cluster_id uuid,
    hidden boolean DEFAULT false CONSTRAINT faces_hidden_not_null NOT NULL,
    CONSTRAINT faces_box_check CHECK ((array_length(box, 1) = 4)),
    CONSTRAINT faces_embedding_check CHECK ((abs((public.l2_norm(embedding) - (1)::double precision)) < (0.01)::double precision)),
    CONSTRAINT faces_landmarks_check CHECK ((array_length(landmarks, 1) = 10))
);

CREATE TABLE public.faces_tail_5 (
    id uuid DEFAULT uuidv7() CONSTRAINT faces_id_not_null NOT NULL,
    collection_id uuid CONSTRAINT faces_collection_id_not_null NOT NULL,
    image_id uuid CONSTRAINT faces_image_id_not_null NOT NULL,
    person_id uuid,
    "position" smallint CONSTRAINT faces_position_not_null NOT NULL,
    external_id text,
    metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT faces_metadata_not_null NOT NULL,
    box real[] CONSTRAINT faces_box_not_null NOT NULL,
    landmarks real[] CONSTRAINT faces_landmarks_not_null NOT NULL,
    score real CONSTRAINT faces_score_not_null NOT NULL,
    norm real CONSTRAINT faces_norm_not_null NOT NULL,
    quality real CONSTRAINT faces_quality_not_null NOT NULL,
    sharpness real CONSTRAINT faces_sharpness_not_null NOT NULL,
    brightness real CONSTRAINT faces_brightness_not_null NOT NULL,
    size real CONSTRAINT faces_size_not_null NOT NULL,
    yaw real CONSTRAINT faces_yaw_not_null NOT NULL,
    pitch real CONSTRAINT faces_pitch_not_null NOT NULL,
    roll real CONSTRAINT faces_roll_not_null NOT NULL,
    embedding public.halfvec CONSTRAINT faces_embedding_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT faces_created_at_not_null NOT NULL,
    tags text[] DEFAULT '{}'::text[] CONSTRAINT faces_tags_not_null NOT NULL,
    captured_at timestamp with time zone,
    cluster_id uuid,
    hidden boolean DEFAULT false CONSTRAINT faces_hidden_not_null NOT NULL,
    CONSTRAINT faces_box_check CHECK ((array_length(box, 1) = 4)),
    CONSTRAINT faces_embedding_check CHECK ((abs((public.l2_norm(embedding) - (1)::double precision)) < (0.01)::double precision)),
    CONSTRAINT faces_landmarks_check CHECK ((array_length(landmarks, 1) = 10))
);

CREATE TABLE public.faces_tail_6 (
    id uuid DEFAULT uuidv7() CONSTRAINT faces_id_not_null NOT NULL,
    collection_id uuid CONSTRAINT faces_collection_id_not_null NOT NULL,
    image_id uuid CONSTRAINT faces_image_id_not_null NOT NULL,
    person_id uuid,
    "position" smallint CONSTRAINT faces_position_not_null NOT NULL,
    external_id text,
    metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT faces_metadata_not_null NOT NULL,
    box real[] CONSTRAINT faces_box_not_null NOT NULL,
    landmarks real[] CONSTRAINT faces_landmarks_not_null NOT NULL,
    score real CONSTRAINT faces_score_not_null NOT NULL,
    norm real CONSTRAINT faces_norm_not_null NOT NULL,
    quality real CONSTRAINT faces_quality_not_null NOT NULL,
    sharpness real CONSTRAINT faces_sharpness_not_null NOT NULL,
    brightness real CONSTRAINT faces_brightness_not_null NOT NULL,
    size real CONSTRAINT faces_size_not_null NOT NULL,
    yaw real CONSTRAINT faces_yaw_not_null NOT NULL,
    pitch real CONSTRAINT faces_pitch_not_null NOT NULL,
    roll real CONSTRAINT faces_roll_not_null NOT NULL,
    embedding public.halfvec CONSTRAINT faces_embedding_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT faces_created_at_not_null NOT NULL,
    tags text[] DEFAULT '{}'::text[] CONSTRAINT faces_tags_not_null NOT NULL,
    captured_at timestamp with time zone,
    cluster_id uuid,
    hidden boolean DEFAULT false CONSTRAINT faces_hidden_not_null NOT NULL,
    CONSTRAINT faces_box_check CHECK ((array_length(box, 1) = 4)),
    CONSTRAINT faces_embedding_check CHECK ((abs((public.l2_norm(embedding) - (1)::double precision)) < (0.01)::double precision)),
    CONSTRAINT faces_landmarks_check CHECK ((array_length(landmarks, 1) = 10))
);

CREATE TABLE public.faces_tail_7 (
    id uuid DEFAULT uuidv7() CONSTRAINT faces_id_not_null NOT NULL,
    collection_id uuid CONSTRAINT faces_collection_id_not_null NOT NULL,
    image_id uuid CONSTRAINT faces_image_id_not_null NOT NULL,
    person_id uuid,
    "position" smallint CONSTRAINT faces_position_not_null NOT NULL,
    external_id text,
    metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT faces_metadata_not_null NOT NULL,
    box real[] CONSTRAINT faces_box_not_null NOT NULL,
    landmarks real[] CONSTRAINT faces_landmarks_not_null NOT NULL,
    score real CONSTRAINT faces_score_not_null NOT NULL,
    norm real CONSTRAINT faces_norm_not_null NOT NULL,
    quality real CONSTRAINT faces_quality_not_null NOT NULL,
    sharpness real CONSTRAINT faces_sharpness_not_null NOT NULL,
    brightness real CONSTRAINT faces_brightness_not_null NOT NULL,
    size real CONSTRAINT faces_size_not_null NOT NULL,
    yaw real CONSTRAINT faces_yaw_not_null NOT NULL,
    pitch real CONSTRAINT faces_pitch_not_null NOT NULL,
    roll real CONSTRAINT faces_roll_not_null NOT NULL,
    embedding public.halfvec CONSTRAINT faces_embedding_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT faces_created_at_not_null NOT NULL,
    tags text[] DEFAULT '{}'::text[] CONSTRAINT faces_tags_not_null NOT NULL,
    captured_at timestamp with time zone,
    cluster_id uuid,
    hidden boolean DEFAULT false CONSTRAINT faces_hidden_not_null NOT NULL,
    CONSTRAINT faces_box_check CHECK ((array_length(box, 1) = 4)),
    CONSTRAINT faces_embedding_check CHECK ((abs((public.l2_norm(embedding) - (1)::double precision)) < (0.01)::double precision)),
    CONSTRAINT faces_landmarks_check CHECK ((array_length(landmarks, 1) = 10))
);

CREATE TABLE public.found_days (
    collection_id uuid NOT NULL,
    day date NOT NULL,
    person_id uuid NOT NULL,
    times bigint NOT NULL,
    CONSTRAINT found_days_times_check CHECK ((times > 0))
);

CREATE TABLE public.graph_slices (
    graph_id uuid NOT NULL,
    "position" integer NOT NULL,
    first_id uuid NOT NULL,
    before_id uuid,
    faces integer NOT NULL,
    state text DEFAULT 'waiting'::text NOT NULL,
    attempts smallint DEFAULT 0 NOT NULL,
    lease uuid,
    lease_until timestamp with time zone,
    CONSTRAINT graph_slices_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'running'::text, 'done'::text])))
);

COMMENT ON TABLE public.graph_slices IS 'Parts of a graph that is built, by ids of faces.';

COMMENT ON COLUMN public.graph_slices.before_id IS 'The first id of the next slice; null: the last one.';

CREATE TABLE public.graphs (
    id uuid DEFAULT uuidv7() NOT NULL,
    collection_id uuid NOT NULL,
    method text NOT NULL,
    neighbours smallint NOT NULL,
    state text DEFAULT 'building'::text NOT NULL,
    faces bigint DEFAULT 0 NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT graphs_method_check CHECK ((method = ANY (ARRAY['index'::text, 'exact'::text]))),
    CONSTRAINT graphs_neighbours_check CHECK ((neighbours > 0)),
    CONSTRAINT graphs_state_check CHECK ((state = ANY (ARRAY['building'::text, 'ready'::text])))
);

COMMENT ON COLUMN public.graphs.faces IS 'That have a row of edges; 0 while it is built.';

CREATE TABLE public.idempotency_keys (
    requester bytea NOT NULL,
    key text NOT NULL,
    request bytea NOT NULL,
    holder uuid NOT NULL,
    valid_until timestamp with time zone NOT NULL,
    body bytea,
    body_size bigint,
    status smallint,
    headers jsonb,
    answer bytea,
    CONSTRAINT idempotency_keys_key_check CHECK (((length(key) >= 1) AND (length(key) <= 64)))
);

COMMENT ON COLUMN public.idempotency_keys.requester IS 'SHA-256 of the API key or session.';

COMMENT ON COLUMN public.idempotency_keys.request IS 'SHA-256 of path, query and kind of content.';

COMMENT ON COLUMN public.idempotency_keys.holder IS 'The try that works on it, or did.';

COMMENT ON COLUMN public.idempotency_keys.valid_until IS 'Then the row counts no more: its process is taken for dead, or its answer is old.';

COMMENT ON COLUMN public.idempotency_keys.body IS 'SHA-256; null before the answer, and where success did not need the whole body.';

COMMENT ON COLUMN public.idempotency_keys.status IS 'HTTP; null before the answer.';

CREATE TABLE public.images (
    id uuid DEFAULT uuidv7() NOT NULL,
    collection_id uuid NOT NULL,
    sha256 bytea NOT NULL,
    external_id text,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    filename text,
    format text NOT NULL,
    bytes bigint NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    state text DEFAULT 'waiting'::text NOT NULL,
    reason text,
    detail text,
    face_count integer DEFAULT 0 NOT NULL,
    skipped_faces jsonb DEFAULT '[]'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    captured_at timestamp with time zone,
    kept text DEFAULT 'originals'::text NOT NULL,
    picture_hash bytea,
    picture_unreadable boolean DEFAULT false NOT NULL,
    CONSTRAINT images_kept_check CHECK ((kept = ANY (ARRAY['originals'::text, 'crops'::text, 'vectors'::text]))),
    CONSTRAINT images_picture_hash_check CHECK ((length(picture_hash) = 32)),
    CONSTRAINT images_sha256_check CHECK ((length(sha256) = 32)),
    CONSTRAINT images_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'indexed'::text, 'rejected'::text, 'dead'::text])))
);

COMMENT ON COLUMN public.images.sha256 IS 'Of the bytes as uploaded; also the key of the blobs.';

COMMENT ON COLUMN public.images.reason IS 'Why it was rejected, or no_face_found of an indexed image.';

COMMENT ON COLUMN public.images.captured_at IS 'As the uploader said, else as EXIF says (taken as UTC where it names no zone).';

COMMENT ON COLUMN public.images.kept IS 'What there is of it: originals while it waits or was given up, then what its collection keeps.';

COMMENT ON COLUMN public.images.picture_hash IS 'Bits that copies of one picture have in common; null: not known, or it never was a picture.';

COMMENT ON COLUMN public.images.picture_unreadable IS 'Nothing that is kept of it could be read when it was to be hashed; it is not tried again.';

CREATE TABLE public.imports (
    id uuid NOT NULL,
    collection_id uuid NOT NULL,
    name text NOT NULL,
    external_id text,
    source text NOT NULL,
    path text,
    options jsonb DEFAULT '{}'::jsonb NOT NULL,
    actor text NOT NULL,
    state text NOT NULL,
    paused boolean DEFAULT false NOT NULL,
    reason text,
    detail text,
    entries_expected integer,
    entries_read integer DEFAULT 0 NOT NULL,
    entries_passed_over integer DEFAULT 0 NOT NULL,
    bytes_expected bigint,
    bytes_read bigint DEFAULT 0 NOT NULL,
    forecast jsonb,
    counts jsonb,
    held_up_by text,
    pace_from timestamp with time zone,
    pace_items integer DEFAULT 0 NOT NULL,
    lease uuid,
    lease_until timestamp with time zone,
    attempts smallint DEFAULT 0 NOT NULL,
    looked_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    read_at timestamp with time zone,
    closed_at timestamp with time zone,
    CONSTRAINT imports_bytes_expected_check CHECK ((bytes_expected >= 0)),
    CONSTRAINT imports_bytes_read_check CHECK ((bytes_read >= 0)),
    CONSTRAINT imports_entries_expected_check CHECK ((entries_expected >= 0)),
    CONSTRAINT imports_entries_passed_over_check CHECK ((entries_passed_over >= 0)),
    CONSTRAINT imports_entries_read_check CHECK ((entries_read >= 0)),
    CONSTRAINT imports_name_check CHECK (((length(name) >= 1) AND (length(name) <= 1000))),
    CONSTRAINT imports_source_check CHECK ((source = ANY (ARRAY['files'::text, 'archive'::text, 'manifest'::text, 'folder'::text]))),
    CONSTRAINT imports_state_check CHECK ((state = ANY (ARRAY['receiving'::text, 'reading'::text, 'read'::text, 'cancelled'::text, 'failed'::text])))
);

COMMENT ON COLUMN public.imports.external_id IS 'The sender''s own; one import of a collection has it.';

COMMENT ON COLUMN public.imports.path IS 'Of a folder: below an allowed one, as the operator named it.';

COMMENT ON COLUMN public.imports.state IS 'receiving: more is to come; reading: its entries become items; read: all did.';

COMMENT ON COLUMN public.imports.entries_read IS 'Entries that have their items, so many from the first on; where reading goes on.';

COMMENT ON COLUMN public.imports.bytes_expected IS 'Of the archive, manifest or files.';

COMMENT ON COLUMN public.imports.forecast IS 'Sums over the sample of a dry run.';

COMMENT ON COLUMN public.imports.counts IS 'Of a closed one: its items by state and by reason, since a million take long to count.';

COMMENT ON COLUMN public.imports.held_up_by IS 'disk, storage or backlog: why reading waits.';

COMMENT ON COLUMN public.imports.pace_from IS 'Since when it runs without a pause, and with how many closed items it began.';

COMMENT ON COLUMN public.imports.lease IS 'Who reads it now.';

COMMENT ON COLUMN public.imports.looked_at IS 'When somebody last read some of it, since they take turns; or sent photos to it.';

COMMENT ON COLUMN public.imports.closed_at IS 'When the last item got its final state.';

CREATE TABLE public.index_work (
    id uuid DEFAULT uuidv7() NOT NULL,
    collection_id uuid NOT NULL,
    action text NOT NULL,
    kind text DEFAULT 'hnsw'::text NOT NULL,
    state text DEFAULT 'waiting'::text NOT NULL,
    step text,
    done bigint DEFAULT 0 NOT NULL,
    total bigint DEFAULT 0 NOT NULL,
    attempts smallint DEFAULT 0 NOT NULL,
    detail text,
    actor text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    CONSTRAINT index_work_action_check CHECK ((action = ANY (ARRAY['promote'::text, 'build'::text, 'rebuild'::text, 'drop'::text]))),
    CONSTRAINT index_work_kind_check CHECK ((kind = ANY (ARRAY['hnsw'::text, 'bit'::text]))),
    CONSTRAINT index_work_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'running'::text, 'done'::text, 'failed'::text])))
);

CREATE TABLE public.items (
    id uuid DEFAULT uuidv7() NOT NULL,
    job_id uuid NOT NULL,
    collection_id uuid NOT NULL,
    image_id uuid,
    "position" integer NOT NULL,
    key text NOT NULL,
    state text NOT NULL,
    reason text,
    detail text,
    attempts smallint DEFAULT 0 NOT NULL,
    lease_until timestamp with time zone,
    lease uuid,
    finished_at timestamp with time zone,
    lane uuid,
    person_id uuid
);

COMMENT ON COLUMN public.items.key IS 'The name the sender knows the photo by.';

COMMENT ON COLUMN public.items.lane IS 'Whose turn it is: the collection of an upload, or the import. Null: it has no photo yet.';

COMMENT ON COLUMN public.items.person_id IS 'Who gets the most prominent face of the photo.';

CREATE TABLE public.jobs (
    id uuid DEFAULT uuidv7() NOT NULL,
    collection_id uuid NOT NULL,
    kind text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    work jsonb DEFAULT '{}'::jsonb NOT NULL,
    started_at timestamp with time zone
);

COMMENT ON COLUMN public.jobs.work IS 'Sums over its analysed photos; added to in the transaction that writes a batch.';

COMMENT ON COLUMN public.jobs.started_at IS 'When a worker took the first photo that was written.';

CREATE TABLE public.lanes (
    id uuid NOT NULL,
    collection_id uuid NOT NULL,
    paused boolean DEFAULT false NOT NULL,
    served_at timestamp with time zone
);

COMMENT ON TABLE public.lanes IS 'Those who wait for workers take turns, by collection, then by lane.';

COMMENT ON COLUMN public.lanes.served_at IS 'When a worker last took photos of it.';

CREATE TABLE public.login_links (
    sha256 bytea NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.people (
    id uuid DEFAULT uuidv7() NOT NULL,
    collection_id uuid NOT NULL,
    name text NOT NULL,
    external_id text,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT people_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200)))
);

CREATE TABLE public.person_events (
    id bigint NOT NULL,
    collection_id uuid NOT NULL,
    change_id uuid NOT NULL,
    person_id uuid NOT NULL,
    before jsonb,
    after jsonb,
    CONSTRAINT person_events_check CHECK (((before IS NOT NULL) OR (after IS NOT NULL)))
);

COMMENT ON COLUMN public.person_events.before IS 'name, external_id and metadata; null: the person was made. No key to people: it outlives them.';

COMMENT ON COLUMN public.person_events.after IS 'Null: the person was deleted.';

ALTER TABLE public.person_events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.person_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.query_samples (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    collection_id uuid NOT NULL,
    embedding public.halfvec NOT NULL
);

COMMENT ON COLUMN public.query_samples.id IS 'Random: it must not tell when somebody searched.';

CREATE TABLE public.recall_audits (
    id uuid DEFAULT uuidv7() NOT NULL,
    collection_id uuid NOT NULL,
    kind text NOT NULL,
    ef_search smallint NOT NULL,
    queries integer NOT NULL,
    stored_queries integer NOT NULL,
    faces bigint NOT NULL,
    recall_1 real NOT NULL,
    recall_10 real NOT NULL,
    mates integer NOT NULL,
    lost_mates integer NOT NULL,
    approximate_ms real NOT NULL,
    exact_ms real NOT NULL,
    proposed_ef_search smallint,
    applied boolean DEFAULT false NOT NULL,
    steps jsonb DEFAULT '[]'::jsonb NOT NULL,
    CONSTRAINT recall_audits_check CHECK (((stored_queries >= 0) AND (stored_queries <= queries))),
    CONSTRAINT recall_audits_check1 CHECK (((lost_mates >= 0) AND (lost_mates <= mates))),
    CONSTRAINT recall_audits_kind_check CHECK ((kind = ANY (ARRAY['hnsw'::text, 'bit'::text]))),
    CONSTRAINT recall_audits_mates_check CHECK ((mates >= 0)),
    CONSTRAINT recall_audits_queries_check CHECK ((queries > 0)),
    CONSTRAINT recall_audits_recall_10_check CHECK (((recall_10 >= (0)::double precision) AND (recall_10 <= (1)::double precision))),
    CONSTRAINT recall_audits_recall_1_check CHECK (((recall_1 >= (0)::double precision) AND (recall_1 <= (1)::double precision)))
);

COMMENT ON COLUMN public.recall_audits.stored_queries IS 'Of the queries: made of stored faces, where too few real ones were kept.';

COMMENT ON COLUMN public.recall_audits.mates IS 'Faces at or above the threshold among the ten nearest, over all queries, by exact search.';

COMMENT ON COLUMN public.recall_audits.proposed_ef_search IS 'The smallest that reaches the goal; null: none that was tried does.';

COMMENT ON COLUMN public.recall_audits.applied IS 'Whether the proposal was set at once.';

COMMENT ON COLUMN public.recall_audits.steps IS 'What each ef_search that was tried gave.';

CREATE TABLE public.report_findings (
    report_id uuid NOT NULL,
    "position" integer NOT NULL,
    key text NOT NULL,
    kind text NOT NULL,
    score real NOT NULL,
    is_new boolean DEFAULT false NOT NULL,
    sides jsonb NOT NULL,
    facts jsonb DEFAULT '{}'::jsonb NOT NULL
);

COMMENT ON COLUMN public.report_findings."position" IS 'From 0, what matters most first.';

COMMENT ON COLUMN public.report_findings.key IS 'The same in every version that finds the same.';

COMMENT ON COLUMN public.report_findings.sides IS 'What stands side by side: for each its faces, best first, and its person or image.';

CREATE TABLE public.reports (
    id uuid DEFAULT uuidv7() NOT NULL,
    collection_id uuid NOT NULL,
    name text NOT NULL,
    actor text NOT NULL,
    state text DEFAULT 'waiting'::text NOT NULL,
    step text,
    done bigint DEFAULT 0 NOT NULL,
    total bigint DEFAULT 0 NOT NULL,
    detail text,
    attempts smallint DEFAULT 0 NOT NULL,
    lease uuid,
    lease_until timestamp with time zone,
    previous_id uuid,
    findings integer DEFAULT 0 NOT NULL,
    added integer DEFAULT 0 NOT NULL,
    gone integer DEFAULT 0 NOT NULL,
    summary jsonb DEFAULT '{}'::jsonb NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    CONSTRAINT reports_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'running'::text, 'done'::text, 'failed'::text, 'cancelled'::text])))
);

COMMENT ON COLUMN public.reports.previous_id IS 'The last version that was done; what is new is told by it.';

COMMENT ON COLUMN public.reports.added IS 'Findings that the previous version does not have.';

COMMENT ON COLUMN public.reports.gone IS 'Findings of the previous version that this one does not have.';

CREATE TABLE public.review_items (
    id uuid DEFAULT uuidv7() NOT NULL,
    collection_id uuid NOT NULL,
    source text NOT NULL,
    key text NOT NULL,
    kind text NOT NULL,
    score real NOT NULL,
    sides jsonb NOT NULL,
    facts jsonb DEFAULT '{}'::jsonb NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    decision text,
    decided_by text,
    decided_at timestamp with time zone,
    change_id uuid,
    CONSTRAINT review_items_check CHECK (((state = 'decided'::text) = (decision IS NOT NULL))),
    CONSTRAINT review_items_decision_check CHECK ((decision = ANY (ARRAY['same'::text, 'different'::text, 'wrong_label'::text, 'not_a_face'::text]))),
    CONSTRAINT review_items_state_check CHECK ((state = ANY (ARRAY['open'::text, 'later'::text, 'decided'::text, 'settled'::text])))
);

COMMENT ON COLUMN public.review_items.source IS 'The report that found it, or arrival: seen at ingest.';

COMMENT ON COLUMN public.review_items.state IS 'settled: what it asks was answered elsewhere, or what it is about is gone.';

CREATE TABLE public.search_days (
    collection_id uuid NOT NULL,
    day date NOT NULL,
    searches bigint NOT NULL,
    hits bigint NOT NULL,
    CONSTRAINT search_days_check CHECK (((hits >= 0) AND (hits <= searches)))
);

COMMENT ON TABLE public.search_days IS 'Per query face; days are of UTC.';

COMMENT ON COLUMN public.search_days.hits IS 'Of the searches: those that somebody matched.';

CREATE TABLE public.secrets (
    name text NOT NULL,
    value bytea NOT NULL
);

CREATE TABLE public.sessions (
    sha256 bytea NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.spaces (
    id text NOT NULL,
    pack text NOT NULL,
    dimension integer NOT NULL,
    contract jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT spaces_dimension_check CHECK (((dimension >= 1) AND (dimension <= 4000))),
    CONSTRAINT spaces_id_check CHECK ((id ~ '^sp_[0-9a-f]{32}$'::text))
);

ALTER TABLE ONLY public.faces ATTACH PARTITION public.faces_tail DEFAULT;

ALTER TABLE ONLY public.faces_tail ATTACH PARTITION public.faces_tail_0 FOR VALUES WITH (modulus 8, remainder 0);

ALTER TABLE ONLY public.faces_tail ATTACH PARTITION public.faces_tail_1 FOR VALUES WITH (modulus 8, remainder 1);

ALTER TABLE ONLY public.faces_tail ATTACH PARTITION public.faces_tail_2 FOR VALUES WITH (modulus 8, remainder 2);

ALTER TABLE ONLY public.faces_tail ATTACH PARTITION public.faces_tail_3 FOR VALUES WITH (modulus 8, remainder 3);

ALTER TABLE ONLY public.faces_tail ATTACH PARTITION public.faces_tail_4 FOR VALUES WITH (modulus 8, remainder 4);

ALTER TABLE ONLY public.faces_tail ATTACH PARTITION public.faces_tail_5 FOR VALUES WITH (modulus 8, remainder 5);

ALTER TABLE ONLY public.faces_tail ATTACH PARTITION public.faces_tail_6 FOR VALUES WITH (modulus 8, remainder 6);

ALTER TABLE ONLY public.faces_tail ATTACH PARTITION public.faces_tail_7 FOR VALUES WITH (modulus 8, remainder 7);

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_name_key UNIQUE (name);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_sha256_key UNIQUE (sha256);

ALTER TABLE ONLY public.arrivals
    ADD CONSTRAINT arrivals_pkey PRIMARY KEY (face_id);

ALTER TABLE ONLY public.assignment_events
    ADD CONSTRAINT assignment_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.changes
    ADD CONSTRAINT changes_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.collections
    ADD CONSTRAINT collections_external_id_key UNIQUE (external_id);

ALTER TABLE ONLY public.collections
    ADD CONSTRAINT collections_name_key UNIQUE (name);

ALTER TABLE ONLY public.collections
    ADD CONSTRAINT collections_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.constraints
    ADD CONSTRAINT constraints_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.doomed_files
    ADD CONSTRAINT doomed_files_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.face_edges
    ADD CONSTRAINT face_edges_pkey PRIMARY KEY (graph_id, face_id);

ALTER TABLE ONLY public.faces
    ADD CONSTRAINT faces_image_id_position_collection_id_key UNIQUE (image_id, "position", collection_id);

ALTER TABLE ONLY public.faces
    ADD CONSTRAINT faces_pkey PRIMARY KEY (collection_id, id);

ALTER TABLE ONLY public.faces_tail
    ADD CONSTRAINT faces_tail_image_id_position_collection_id_key UNIQUE (image_id, "position", collection_id);

ALTER TABLE ONLY public.faces_tail_0
    ADD CONSTRAINT faces_tail_0_image_id_position_collection_id_key UNIQUE (image_id, "position", collection_id);

ALTER TABLE ONLY public.faces_tail
    ADD CONSTRAINT faces_tail_pkey PRIMARY KEY (collection_id, id);

ALTER TABLE ONLY public.faces_tail_0
    ADD CONSTRAINT faces_tail_0_pkey PRIMARY KEY (collection_id, id);

ALTER TABLE ONLY public.faces_tail_1
    ADD CONSTRAINT faces_tail_1_image_id_position_collection_id_key UNIQUE (image_id, "position", collection_id);

ALTER TABLE ONLY public.faces_tail_1
    ADD CONSTRAINT faces_tail_1_pkey PRIMARY KEY (collection_id, id);

ALTER TABLE ONLY public.faces_tail_2
    ADD CONSTRAINT faces_tail_2_image_id_position_collection_id_key UNIQUE (image_id, "position", collection_id);

ALTER TABLE ONLY public.faces_tail_2
    ADD CONSTRAINT faces_tail_2_pkey PRIMARY KEY (collection_id, id);

ALTER TABLE ONLY public.faces_tail_3
    ADD CONSTRAINT faces_tail_3_image_id_position_collection_id_key UNIQUE (image_id, "position", collection_id);

ALTER TABLE ONLY public.faces_tail_3
    ADD CONSTRAINT faces_tail_3_pkey PRIMARY KEY (collection_id, id);

ALTER TABLE ONLY public.faces_tail_4
    ADD CONSTRAINT faces_tail_4_image_id_position_collection_id_key UNIQUE (image_id, "position", collection_id);

ALTER TABLE ONLY public.faces_tail_4
    ADD CONSTRAINT faces_tail_4_pkey PRIMARY KEY (collection_id, id);

ALTER TABLE ONLY public.faces_tail_5
    ADD CONSTRAINT faces_tail_5_image_id_position_collection_id_key UNIQUE (image_id, "position", collection_id);

ALTER TABLE ONLY public.faces_tail_5
    ADD CONSTRAINT faces_tail_5_pkey PRIMARY KEY (collection_id, id);

ALTER TABLE ONLY public.faces_tail_6
    ADD CONSTRAINT faces_tail_6_image_id_position_collection_id_key UNIQUE (image_id, "position", collection_id);

ALTER TABLE ONLY public.faces_tail_6
    ADD CONSTRAINT faces_tail_6_pkey PRIMARY KEY (collection_id, id);

ALTER TABLE ONLY public.faces_tail_7
    ADD CONSTRAINT faces_tail_7_image_id_position_collection_id_key UNIQUE (image_id, "position", collection_id);

ALTER TABLE ONLY public.faces_tail_7
    ADD CONSTRAINT faces_tail_7_pkey PRIMARY KEY (collection_id, id);

ALTER TABLE ONLY public.found_days
    ADD CONSTRAINT found_days_pkey PRIMARY KEY (collection_id, day, person_id);

ALTER TABLE ONLY public.graph_slices
    ADD CONSTRAINT graph_slices_pkey PRIMARY KEY (graph_id, "position");

ALTER TABLE ONLY public.graphs
    ADD CONSTRAINT graphs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (requester, key);

ALTER TABLE ONLY public.images
    ADD CONSTRAINT images_collection_id_id_key UNIQUE (collection_id, id);

ALTER TABLE ONLY public.images
    ADD CONSTRAINT images_collection_id_sha256_key UNIQUE (collection_id, sha256);

ALTER TABLE ONLY public.images
    ADD CONSTRAINT images_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.imports
    ADD CONSTRAINT imports_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.index_work
    ADD CONSTRAINT index_work_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.items
    ADD CONSTRAINT items_job_id_position_key UNIQUE (job_id, "position");

ALTER TABLE ONLY public.items
    ADD CONSTRAINT items_pkey PRIMARY KEY (id);

ALTER TABLE public.items
    ADD CONSTRAINT items_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'running'::text, 'indexed'::text, 'skipped'::text, 'rejected'::text, 'failed'::text, 'dead'::text]))) NOT VALID;

ALTER TABLE public.jobs
    ADD CONSTRAINT jobs_kind_check CHECK ((kind = ANY (ARRAY['upload'::text, 'import'::text]))) NOT VALID;

ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.lanes
    ADD CONSTRAINT lanes_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.login_links
    ADD CONSTRAINT login_links_pkey PRIMARY KEY (sha256);

ALTER TABLE ONLY public.people
    ADD CONSTRAINT people_collection_id_id_key UNIQUE (collection_id, id);

ALTER TABLE ONLY public.people
    ADD CONSTRAINT people_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.person_events
    ADD CONSTRAINT person_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.query_samples
    ADD CONSTRAINT query_samples_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.recall_audits
    ADD CONSTRAINT recall_audits_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.report_findings
    ADD CONSTRAINT report_findings_pkey PRIMARY KEY (report_id, "position");

ALTER TABLE ONLY public.reports
    ADD CONSTRAINT reports_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.review_items
    ADD CONSTRAINT review_items_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.search_days
    ADD CONSTRAINT search_days_pkey PRIMARY KEY (collection_id, day);

ALTER TABLE ONLY public.secrets
    ADD CONSTRAINT secrets_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (sha256);

ALTER TABLE ONLY public.spaces
    ADD CONSTRAINT spaces_pkey PRIMARY KEY (id);

CREATE INDEX arrivals_by_collection ON public.arrivals USING btree (collection_id, face_id);

CREATE INDEX assignment_events_by_change ON public.assignment_events USING btree (change_id) WHERE (change_id IS NOT NULL);

CREATE INDEX assignment_events_by_face ON public.assignment_events USING btree (collection_id, face_id, id);

CREATE INDEX assignment_events_by_person ON public.assignment_events USING btree (person_id, change_id) WHERE (person_id IS NOT NULL);

CREATE INDEX assignment_events_by_previous_person ON public.assignment_events USING btree (previous_person_id, change_id) WHERE (previous_person_id IS NOT NULL);

CREATE INDEX changes_by_collection ON public.changes USING btree (collection_id, id);

CREATE INDEX changes_by_undone ON public.changes USING btree (undoes) WHERE (undoes IS NOT NULL);

CREATE INDEX constraints_by_change ON public.constraints USING btree (change_id);

CREATE INDEX constraints_by_collection ON public.constraints USING btree (collection_id);

CREATE INDEX constraints_by_other_face ON public.constraints USING btree (collection_id, other_face_id) WHERE ((other_face_id IS NOT NULL) AND (withdrawn_by IS NULL));

CREATE INDEX constraints_by_person ON public.constraints USING btree (collection_id, person_id) WHERE (person_id IS NOT NULL);

CREATE INDEX constraints_by_withdrawal ON public.constraints USING btree (withdrawn_by) WHERE (withdrawn_by IS NOT NULL);

CREATE UNIQUE INDEX constraints_once ON public.constraints USING btree (collection_id, face_id, kind, other_face_id, person_id) NULLS NOT DISTINCT WHERE (withdrawn_by IS NULL);

CREATE INDEX doomed_files_by_deletion ON public.doomed_files USING btree (deletion, id);

CREATE INDEX faces_by_capture ON ONLY public.faces USING btree (collection_id, captured_at) WHERE (captured_at IS NOT NULL);

CREATE INDEX faces_by_cluster ON ONLY public.faces USING btree (cluster_id) WHERE (cluster_id IS NOT NULL);

CREATE INDEX faces_by_id ON ONLY public.faces USING btree (id);

CREATE INDEX faces_by_person ON ONLY public.faces USING btree (person_id, quality DESC, id) WHERE (person_id IS NOT NULL);

CREATE INDEX faces_by_tag ON ONLY public.faces USING gin (tags) WHERE (tags <> '{}'::text[]);

CREATE UNIQUE INDEX faces_collection_id_external_id_key ON ONLY public.faces USING btree (collection_id, external_id) WHERE (external_id IS NOT NULL);

CREATE INDEX faces_tail_cluster_id_idx ON ONLY public.faces_tail USING btree (cluster_id) WHERE (cluster_id IS NOT NULL);

CREATE INDEX faces_tail_0_cluster_id_idx ON public.faces_tail_0 USING btree (cluster_id) WHERE (cluster_id IS NOT NULL);

CREATE INDEX faces_tail_collection_id_captured_at_idx ON ONLY public.faces_tail USING btree (collection_id, captured_at) WHERE (captured_at IS NOT NULL);

CREATE INDEX faces_tail_0_collection_id_captured_at_idx ON public.faces_tail_0 USING btree (collection_id, captured_at) WHERE (captured_at IS NOT NULL);

CREATE UNIQUE INDEX faces_tail_collection_id_external_id_idx ON ONLY public.faces_tail USING btree (collection_id, external_id) WHERE (external_id IS NOT NULL);

CREATE UNIQUE INDEX faces_tail_0_collection_id_external_id_idx ON public.faces_tail_0 USING btree (collection_id, external_id) WHERE (external_id IS NOT NULL);

CREATE INDEX faces_tail_id_idx ON ONLY public.faces_tail USING btree (id);

CREATE INDEX faces_tail_0_id_idx ON public.faces_tail_0 USING btree (id);

CREATE INDEX faces_tail_person_id_quality_id_idx ON ONLY public.faces_tail USING btree (person_id, quality DESC, id) WHERE (person_id IS NOT NULL);

CREATE INDEX faces_tail_0_person_id_quality_id_idx ON public.faces_tail_0 USING btree (person_id, quality DESC, id) WHERE (person_id IS NOT NULL);

CREATE INDEX faces_tail_tags_idx ON ONLY public.faces_tail USING gin (tags) WHERE (tags <> '{}'::text[]);

CREATE INDEX faces_tail_0_tags_idx ON public.faces_tail_0 USING gin (tags) WHERE (tags <> '{}'::text[]);

CREATE INDEX faces_tail_1_cluster_id_idx ON public.faces_tail_1 USING btree (cluster_id) WHERE (cluster_id IS NOT NULL);

CREATE INDEX faces_tail_1_collection_id_captured_at_idx ON public.faces_tail_1 USING btree (collection_id, captured_at) WHERE (captured_at IS NOT NULL);

CREATE UNIQUE INDEX faces_tail_1_collection_id_external_id_idx ON public.faces_tail_1 USING btree (collection_id, external_id) WHERE (external_id IS NOT NULL);

CREATE INDEX faces_tail_1_id_idx ON public.faces_tail_1 USING btree (id);

CREATE INDEX faces_tail_1_person_id_quality_id_idx ON public.faces_tail_1 USING btree (person_id, quality DESC, id) WHERE (person_id IS NOT NULL);

CREATE INDEX faces_tail_1_tags_idx ON public.faces_tail_1 USING gin (tags) WHERE (tags <> '{}'::text[]);

CREATE INDEX faces_tail_2_cluster_id_idx ON public.faces_tail_2 USING btree (cluster_id) WHERE (cluster_id IS NOT NULL);

CREATE INDEX faces_tail_2_collection_id_captured_at_idx ON public.faces_tail_2 USING btree (collection_id, captured_at) WHERE (captured_at IS NOT NULL);

CREATE UNIQUE INDEX faces_tail_2_collection_id_external_id_idx ON public.faces_tail_2 USING btree (collection_id, external_id) WHERE (external_id IS NOT NULL);

CREATE INDEX faces_tail_2_id_idx ON public.faces_tail_2 USING btree (id);

CREATE INDEX faces_tail_2_person_id_quality_id_idx ON public.faces_tail_2 USING btree (person_id, quality DESC, id) WHERE (person_id IS NOT NULL);

CREATE INDEX faces_tail_2_tags_idx ON public.faces_tail_2 USING gin (tags) WHERE (tags <> '{}'::text[]);

CREATE INDEX faces_tail_3_cluster_id_idx ON public.faces_tail_3 USING btree (cluster_id) WHERE (cluster_id IS NOT NULL);

CREATE INDEX faces_tail_3_collection_id_captured_at_idx ON public.faces_tail_3 USING btree (collection_id, captured_at) WHERE (captured_at IS NOT NULL);

CREATE UNIQUE INDEX faces_tail_3_collection_id_external_id_idx ON public.faces_tail_3 USING btree (collection_id, external_id) WHERE (external_id IS NOT NULL);

CREATE INDEX faces_tail_3_id_idx ON public.faces_tail_3 USING btree (id);

CREATE INDEX faces_tail_3_person_id_quality_id_idx ON public.faces_tail_3 USING btree (person_id, quality DESC, id) WHERE (person_id IS NOT NULL);

CREATE INDEX faces_tail_3_tags_idx ON public.faces_tail_3 USING gin (tags) WHERE (tags <> '{}'::text[]);

CREATE INDEX faces_tail_4_cluster_id_idx ON public.faces_tail_4 USING btree (cluster_id) WHERE (cluster_id IS NOT NULL);

CREATE INDEX faces_tail_4_collection_id_captured_at_idx ON public.faces_tail_4 USING btree (collection_id, captured_at) WHERE (captured_at IS NOT NULL);

CREATE UNIQUE INDEX faces_tail_4_collection_id_external_id_idx ON public.faces_tail_4 USING btree (collection_id, external_id) WHERE (external_id IS NOT NULL);

CREATE INDEX faces_tail_4_id_idx ON public.faces_tail_4 USING btree (id);

CREATE INDEX faces_tail_4_person_id_quality_id_idx ON public.faces_tail_4 USING btree (person_id, quality DESC, id) WHERE (person_id IS NOT NULL);

CREATE INDEX faces_tail_4_tags_idx ON public.faces_tail_4 USING gin (tags) WHERE (tags <> '{}'::text[]);

CREATE INDEX faces_tail_5_cluster_id_idx ON public.faces_tail_5 USING btree (cluster_id) WHERE (cluster_id IS NOT NULL);

CREATE INDEX faces_tail_5_collection_id_captured_at_idx ON public.faces_tail_5 USING btree (collection_id, captured_at) WHERE (captured_at IS NOT NULL);

CREATE UNIQUE INDEX faces_tail_5_collection_id_external_id_idx ON public.faces_tail_5 USING btree (collection_id, external_id) WHERE (external_id IS NOT NULL);

CREATE INDEX faces_tail_5_id_idx ON public.faces_tail_5 USING btree (id);

CREATE INDEX faces_tail_5_person_id_quality_id_idx ON public.faces_tail_5 USING btree (person_id, quality DESC, id) WHERE (person_id IS NOT NULL);

CREATE INDEX faces_tail_5_tags_idx ON public.faces_tail_5 USING gin (tags) WHERE (tags <> '{}'::text[]);

CREATE INDEX faces_tail_6_cluster_id_idx ON public.faces_tail_6 USING btree (cluster_id) WHERE (cluster_id IS NOT NULL);

CREATE INDEX faces_tail_6_collection_id_captured_at_idx ON public.faces_tail_6 USING btree (collection_id, captured_at) WHERE (captured_at IS NOT NULL);

CREATE UNIQUE INDEX faces_tail_6_collection_id_external_id_idx ON public.faces_tail_6 USING btree (collection_id, external_id) WHERE (external_id IS NOT NULL);

CREATE INDEX faces_tail_6_id_idx ON public.faces_tail_6 USING btree (id);

CREATE INDEX faces_tail_6_person_id_quality_id_idx ON public.faces_tail_6 USING btree (person_id, quality DESC, id) WHERE (person_id IS NOT NULL);

CREATE INDEX faces_tail_6_tags_idx ON public.faces_tail_6 USING gin (tags) WHERE (tags <> '{}'::text[]);

CREATE INDEX faces_tail_7_cluster_id_idx ON public.faces_tail_7 USING btree (cluster_id) WHERE (cluster_id IS NOT NULL);

CREATE INDEX faces_tail_7_collection_id_captured_at_idx ON public.faces_tail_7 USING btree (collection_id, captured_at) WHERE (captured_at IS NOT NULL);

CREATE UNIQUE INDEX faces_tail_7_collection_id_external_id_idx ON public.faces_tail_7 USING btree (collection_id, external_id) WHERE (external_id IS NOT NULL);

CREATE INDEX faces_tail_7_id_idx ON public.faces_tail_7 USING btree (id);

CREATE INDEX faces_tail_7_person_id_quality_id_idx ON public.faces_tail_7 USING btree (person_id, quality DESC, id) WHERE (person_id IS NOT NULL);

CREATE INDEX faces_tail_7_tags_idx ON public.faces_tail_7 USING gin (tags) WHERE (tags <> '{}'::text[]);

CREATE INDEX found_days_by_day ON public.found_days USING btree (day);

CREATE INDEX found_days_by_person ON public.found_days USING btree (person_id);

CREATE UNIQUE INDEX graphs_in_state ON public.graphs USING btree (collection_id, state);

CREATE INDEX idempotency_keys_by_end ON public.idempotency_keys USING btree (valid_until);

CREATE INDEX images_by_capture ON public.images USING btree (collection_id, captured_at) WHERE (captured_at IS NOT NULL);

CREATE INDEX images_by_external_prefix ON public.images USING btree (collection_id, external_id text_pattern_ops) WHERE (external_id IS NOT NULL);

CREATE INDEX images_by_metadata ON public.images USING gin (metadata jsonb_path_ops) WHERE (metadata <> '{}'::jsonb);

CREATE INDEX images_by_sha256 ON public.images USING btree (sha256);

CREATE INDEX images_by_tag ON public.images USING gin (tags) WHERE (tags <> '{}'::text[]);

CREATE UNIQUE INDEX images_collection_id_external_id_key ON public.images USING btree (collection_id, external_id) WHERE (external_id IS NOT NULL);

CREATE INDEX images_without_hash ON public.images USING btree (id) WHERE ((picture_hash IS NULL) AND (state = 'indexed'::text) AND (kept = 'originals'::text) AND (NOT picture_unreadable));

CREATE INDEX imports_by_collection ON public.imports USING btree (collection_id, id);

CREATE UNIQUE INDEX imports_by_external_id ON public.imports USING btree (collection_id, external_id) WHERE (external_id IS NOT NULL);

CREATE INDEX imports_open ON public.imports USING btree (looked_at NULLS FIRST, id) WHERE (closed_at IS NULL);

CREATE INDEX index_work_by_collection ON public.index_work USING btree (collection_id, id);

CREATE UNIQUE INDEX index_work_open ON public.index_work USING btree (collection_id, action) WHERE (state = ANY (ARRAY['waiting'::text, 'running'::text]));

CREATE INDEX items_by_collection ON public.items USING btree (collection_id);

CREATE INDEX items_by_end ON public.items USING btree (job_id, state, "position") WHERE (state = ANY (ARRAY['skipped'::text, 'rejected'::text, 'failed'::text, 'dead'::text]));

CREATE INDEX items_by_image ON public.items USING btree (image_id);

CREATE INDEX items_by_key ON public.items USING btree (job_id, md5(key));

CREATE INDEX items_by_lane ON public.items USING btree (lane, id) WHERE (state = ANY (ARRAY['waiting'::text, 'running'::text]));

CREATE INDEX items_by_person ON public.items USING btree (person_id) WHERE (person_id IS NOT NULL);

CREATE INDEX items_to_do ON public.items USING btree (id) WHERE (state = ANY (ARRAY['waiting'::text, 'running'::text]));

CREATE INDEX items_tried ON public.items USING btree (attempts) WHERE ((state = ANY (ARRAY['waiting'::text, 'running'::text])) AND (attempts > 0));

CREATE INDEX items_unread ON public.items USING btree (job_id, "position") WHERE ((state = 'waiting'::text) AND (lane IS NULL));

CREATE INDEX lanes_by_collection ON public.lanes USING btree (collection_id);

CREATE INDEX people_by_external_prefix ON public.people USING btree (collection_id, external_id text_pattern_ops) WHERE (external_id IS NOT NULL);

CREATE INDEX people_by_metadata ON public.people USING gin (metadata jsonb_path_ops) WHERE (metadata <> '{}'::jsonb);

CREATE INDEX people_by_name ON public.people USING btree (collection_id, lower(name));

CREATE UNIQUE INDEX people_collection_id_external_id_key ON public.people USING btree (collection_id, external_id) WHERE (external_id IS NOT NULL);

CREATE INDEX person_events_by_change ON public.person_events USING btree (change_id);

CREATE INDEX person_events_by_person ON public.person_events USING btree (collection_id, person_id, id);

CREATE INDEX query_samples_by_collection ON public.query_samples USING btree (collection_id);

CREATE INDEX recall_audits_by_collection ON public.recall_audits USING btree (collection_id, id);

CREATE UNIQUE INDEX report_findings_by_key ON public.report_findings USING btree (report_id, key);

CREATE INDEX reports_by_collection ON public.reports USING btree (collection_id, id);

CREATE INDEX reports_by_previous ON public.reports USING btree (previous_id) WHERE (previous_id IS NOT NULL);

CREATE UNIQUE INDEX reports_open ON public.reports USING btree (collection_id, name) WHERE (state = ANY (ARRAY['waiting'::text, 'running'::text]));

CREATE INDEX review_items_by_change ON public.review_items USING btree (change_id) WHERE (change_id IS NOT NULL);

CREATE UNIQUE INDEX review_items_by_key ON public.review_items USING btree (collection_id, source, key);

CREATE INDEX review_items_in_order ON public.review_items USING btree (collection_id, state, score DESC, id DESC) INCLUDE (source);

CREATE INDEX search_days_by_day ON public.search_days USING btree (day);

ALTER INDEX public.faces_tail_cluster_id_idx ATTACH PARTITION public.faces_tail_0_cluster_id_idx;

ALTER INDEX public.faces_tail_collection_id_captured_at_idx ATTACH PARTITION public.faces_tail_0_collection_id_captured_at_idx;

ALTER INDEX public.faces_tail_collection_id_external_id_idx ATTACH PARTITION public.faces_tail_0_collection_id_external_id_idx;

ALTER INDEX public.faces_tail_id_idx ATTACH PARTITION public.faces_tail_0_id_idx;

ALTER INDEX public.faces_tail_image_id_position_collection_id_key ATTACH PARTITION public.faces_tail_0_image_id_position_collection_id_key;

ALTER INDEX public.faces_tail_person_id_quality_id_idx ATTACH PARTITION public.faces_tail_0_person_id_quality_id_idx;

ALTER INDEX public.faces_tail_pkey ATTACH PARTITION public.faces_tail_0_pkey;

ALTER INDEX public.faces_tail_tags_idx ATTACH PARTITION public.faces_tail_0_tags_idx;

ALTER INDEX public.faces_tail_cluster_id_idx ATTACH PARTITION public.faces_tail_1_cluster_id_idx;

ALTER INDEX public.faces_tail_collection_id_captured_at_idx ATTACH PARTITION public.faces_tail_1_collection_id_captured_at_idx;

ALTER INDEX public.faces_tail_collection_id_external_id_idx ATTACH PARTITION public.faces_tail_1_collection_id_external_id_idx;

ALTER INDEX public.faces_tail_id_idx ATTACH PARTITION public.faces_tail_1_id_idx;

ALTER INDEX public.faces_tail_image_id_position_collection_id_key ATTACH PARTITION public.faces_tail_1_image_id_position_collection_id_key;

ALTER INDEX public.faces_tail_person_id_quality_id_idx ATTACH PARTITION public.faces_tail_1_person_id_quality_id_idx;

ALTER INDEX public.faces_tail_pkey ATTACH PARTITION public.faces_tail_1_pkey;

ALTER INDEX public.faces_tail_tags_idx ATTACH PARTITION public.faces_tail_1_tags_idx;

ALTER INDEX public.faces_tail_cluster_id_idx ATTACH PARTITION public.faces_tail_2_cluster_id_idx;

ALTER INDEX public.faces_tail_collection_id_captured_at_idx ATTACH PARTITION public.faces_tail_2_collection_id_captured_at_idx;

ALTER INDEX public.faces_tail_collection_id_external_id_idx ATTACH PARTITION public.faces_tail_2_collection_id_external_id_idx;

ALTER INDEX public.faces_tail_id_idx ATTACH PARTITION public.faces_tail_2_id_idx;

ALTER INDEX public.faces_tail_image_id_position_collection_id_key ATTACH PARTITION public.faces_tail_2_image_id_position_collection_id_key;

ALTER INDEX public.faces_tail_person_id_quality_id_idx ATTACH PARTITION public.faces_tail_2_person_id_quality_id_idx;

ALTER INDEX public.faces_tail_pkey ATTACH PARTITION public.faces_tail_2_pkey;

ALTER INDEX public.faces_tail_tags_idx ATTACH PARTITION public.faces_tail_2_tags_idx;

ALTER INDEX public.faces_tail_cluster_id_idx ATTACH PARTITION public.faces_tail_3_cluster_id_idx;

ALTER INDEX public.faces_tail_collection_id_captured_at_idx ATTACH PARTITION public.faces_tail_3_collection_id_captured_at_idx;

ALTER INDEX public.faces_tail_collection_id_external_id_idx ATTACH PARTITION public.faces_tail_3_collection_id_external_id_idx;

ALTER INDEX public.faces_tail_id_idx ATTACH PARTITION public.faces_tail_3_id_idx;

ALTER INDEX public.faces_tail_image_id_position_collection_id_key ATTACH PARTITION public.faces_tail_3_image_id_position_collection_id_key;

ALTER INDEX public.faces_tail_person_id_quality_id_idx ATTACH PARTITION public.faces_tail_3_person_id_quality_id_idx;

ALTER INDEX public.faces_tail_pkey ATTACH PARTITION public.faces_tail_3_pkey;

ALTER INDEX public.faces_tail_tags_idx ATTACH PARTITION public.faces_tail_3_tags_idx;

ALTER INDEX public.faces_tail_cluster_id_idx ATTACH PARTITION public.faces_tail_4_cluster_id_idx;

ALTER INDEX public.faces_tail_collection_id_captured_at_idx ATTACH PARTITION public.faces_tail_4_collection_id_captured_at_idx;

ALTER INDEX public.faces_tail_collection_id_external_id_idx ATTACH PARTITION public.faces_tail_4_collection_id_external_id_idx;

ALTER INDEX public.faces_tail_id_idx ATTACH PARTITION public.faces_tail_4_id_idx;

ALTER INDEX public.faces_tail_image_id_position_collection_id_key ATTACH PARTITION public.faces_tail_4_image_id_position_collection_id_key;

ALTER INDEX public.faces_tail_person_id_quality_id_idx ATTACH PARTITION public.faces_tail_4_person_id_quality_id_idx;

ALTER INDEX public.faces_tail_pkey ATTACH PARTITION public.faces_tail_4_pkey;

ALTER INDEX public.faces_tail_tags_idx ATTACH PARTITION public.faces_tail_4_tags_idx;

ALTER INDEX public.faces_tail_cluster_id_idx ATTACH PARTITION public.faces_tail_5_cluster_id_idx;

ALTER INDEX public.faces_tail_collection_id_captured_at_idx ATTACH PARTITION public.faces_tail_5_collection_id_captured_at_idx;

ALTER INDEX public.faces_tail_collection_id_external_id_idx ATTACH PARTITION public.faces_tail_5_collection_id_external_id_idx;

ALTER INDEX public.faces_tail_id_idx ATTACH PARTITION public.faces_tail_5_id_idx;

ALTER INDEX public.faces_tail_image_id_position_collection_id_key ATTACH PARTITION public.faces_tail_5_image_id_position_collection_id_key;

ALTER INDEX public.faces_tail_person_id_quality_id_idx ATTACH PARTITION public.faces_tail_5_person_id_quality_id_idx;

ALTER INDEX public.faces_tail_pkey ATTACH PARTITION public.faces_tail_5_pkey;

ALTER INDEX public.faces_tail_tags_idx ATTACH PARTITION public.faces_tail_5_tags_idx;

ALTER INDEX public.faces_tail_cluster_id_idx ATTACH PARTITION public.faces_tail_6_cluster_id_idx;

ALTER INDEX public.faces_tail_collection_id_captured_at_idx ATTACH PARTITION public.faces_tail_6_collection_id_captured_at_idx;

ALTER INDEX public.faces_tail_collection_id_external_id_idx ATTACH PARTITION public.faces_tail_6_collection_id_external_id_idx;

ALTER INDEX public.faces_tail_id_idx ATTACH PARTITION public.faces_tail_6_id_idx;

ALTER INDEX public.faces_tail_image_id_position_collection_id_key ATTACH PARTITION public.faces_tail_6_image_id_position_collection_id_key;

ALTER INDEX public.faces_tail_person_id_quality_id_idx ATTACH PARTITION public.faces_tail_6_person_id_quality_id_idx;

ALTER INDEX public.faces_tail_pkey ATTACH PARTITION public.faces_tail_6_pkey;

ALTER INDEX public.faces_tail_tags_idx ATTACH PARTITION public.faces_tail_6_tags_idx;

ALTER INDEX public.faces_tail_cluster_id_idx ATTACH PARTITION public.faces_tail_7_cluster_id_idx;

ALTER INDEX public.faces_tail_collection_id_captured_at_idx ATTACH PARTITION public.faces_tail_7_collection_id_captured_at_idx;

ALTER INDEX public.faces_tail_collection_id_external_id_idx ATTACH PARTITION public.faces_tail_7_collection_id_external_id_idx;

ALTER INDEX public.faces_tail_id_idx ATTACH PARTITION public.faces_tail_7_id_idx;

ALTER INDEX public.faces_tail_image_id_position_collection_id_key ATTACH PARTITION public.faces_tail_7_image_id_position_collection_id_key;

ALTER INDEX public.faces_tail_person_id_quality_id_idx ATTACH PARTITION public.faces_tail_7_person_id_quality_id_idx;

ALTER INDEX public.faces_tail_pkey ATTACH PARTITION public.faces_tail_7_pkey;

ALTER INDEX public.faces_tail_tags_idx ATTACH PARTITION public.faces_tail_7_tags_idx;

ALTER INDEX public.faces_by_cluster ATTACH PARTITION public.faces_tail_cluster_id_idx;

ALTER INDEX public.faces_by_capture ATTACH PARTITION public.faces_tail_collection_id_captured_at_idx;

ALTER INDEX public.faces_collection_id_external_id_key ATTACH PARTITION public.faces_tail_collection_id_external_id_idx;

ALTER INDEX public.faces_by_id ATTACH PARTITION public.faces_tail_id_idx;

ALTER INDEX public.faces_image_id_position_collection_id_key ATTACH PARTITION public.faces_tail_image_id_position_collection_id_key;

ALTER INDEX public.faces_by_person ATTACH PARTITION public.faces_tail_person_id_quality_id_idx;

ALTER INDEX public.faces_pkey ATTACH PARTITION public.faces_tail_pkey;

ALTER INDEX public.faces_by_tag ATTACH PARTITION public.faces_tail_tags_idx;

ALTER TABLE ONLY public.arrivals
    ADD CONSTRAINT arrivals_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES public.collections(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.assignment_events
    ADD CONSTRAINT assignment_events_change_id_fkey FOREIGN KEY (change_id) REFERENCES public.changes(id);

ALTER TABLE ONLY public.assignment_events
    ADD CONSTRAINT assignment_events_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES public.collections(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.changes
    ADD CONSTRAINT changes_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES public.collections(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.changes
    ADD CONSTRAINT changes_undoes_fkey FOREIGN KEY (undoes) REFERENCES public.changes(id);

ALTER TABLE ONLY public.collections
    ADD CONSTRAINT collections_space_id_fkey FOREIGN KEY (space_id) REFERENCES public.spaces(id);

ALTER TABLE ONLY public.constraints
    ADD CONSTRAINT constraints_change_id_fkey FOREIGN KEY (change_id) REFERENCES public.changes(id);

ALTER TABLE ONLY public.constraints
    ADD CONSTRAINT constraints_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES public.collections(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.constraints
    ADD CONSTRAINT constraints_withdrawn_by_fkey FOREIGN KEY (withdrawn_by) REFERENCES public.changes(id);

ALTER TABLE ONLY public.face_edges
    ADD CONSTRAINT face_edges_graph_id_fkey FOREIGN KEY (graph_id) REFERENCES public.graphs(id) ON DELETE CASCADE;

ALTER TABLE public.faces
    ADD CONSTRAINT faces_image_fkey FOREIGN KEY (collection_id, image_id) REFERENCES public.images(collection_id, id) ON DELETE CASCADE;

ALTER TABLE public.faces
    ADD CONSTRAINT faces_person_fkey FOREIGN KEY (collection_id, person_id) REFERENCES public.people(collection_id, id) ON DELETE SET NULL (person_id);

ALTER TABLE ONLY public.found_days
    ADD CONSTRAINT found_days_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES public.collections(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.found_days
    ADD CONSTRAINT found_days_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.people(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.graph_slices
    ADD CONSTRAINT graph_slices_graph_id_fkey FOREIGN KEY (graph_id) REFERENCES public.graphs(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.graphs
    ADD CONSTRAINT graphs_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES public.collections(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.images
    ADD CONSTRAINT images_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES public.collections(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.imports
    ADD CONSTRAINT imports_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES public.collections(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.imports
    ADD CONSTRAINT imports_id_fkey FOREIGN KEY (id) REFERENCES public.jobs(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.index_work
    ADD CONSTRAINT index_work_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES public.collections(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.items
    ADD CONSTRAINT items_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES public.collections(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.items
    ADD CONSTRAINT items_image_id_fkey FOREIGN KEY (image_id) REFERENCES public.images(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.items
    ADD CONSTRAINT items_job_id_fkey FOREIGN KEY (job_id) REFERENCES public.jobs(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.items
    ADD CONSTRAINT items_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.people(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES public.collections(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.lanes
    ADD CONSTRAINT lanes_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES public.collections(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.people
    ADD CONSTRAINT people_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES public.collections(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.person_events
    ADD CONSTRAINT person_events_change_id_fkey FOREIGN KEY (change_id) REFERENCES public.changes(id);

ALTER TABLE ONLY public.person_events
    ADD CONSTRAINT person_events_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES public.collections(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.query_samples
    ADD CONSTRAINT query_samples_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES public.collections(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.recall_audits
    ADD CONSTRAINT recall_audits_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES public.collections(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.report_findings
    ADD CONSTRAINT report_findings_report_id_fkey FOREIGN KEY (report_id) REFERENCES public.reports(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.reports
    ADD CONSTRAINT reports_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES public.collections(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.reports
    ADD CONSTRAINT reports_previous_id_fkey FOREIGN KEY (previous_id) REFERENCES public.reports(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.review_items
    ADD CONSTRAINT review_items_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES public.collections(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.search_days
    ADD CONSTRAINT search_days_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES public.collections(id) ON DELETE CASCADE;
