"""Similarity reports: the nearest faces of each face, what reports found, and what people are asked.

Why: every report asks who is near whom. That is computed once for a collection, kept as edges and
brought up to date by what is new; reports read it, keep what they found as a version, and leave
questions that a person decides.
Old code while this runs: unaffected; it makes no reports.
Locks: none but of new tables. Undo: drop the tables.
"""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the tables of graphs, of reports and of the review inbox."""
    _graphs()
    _reports()
    _reviews()


def _graphs() -> None:
    op.execute(
        """
        CREATE TABLE graphs (
            id uuid PRIMARY KEY DEFAULT uuidv7(),
            collection_id uuid NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
            method text NOT NULL CHECK (method IN ('index', 'exact')),
            neighbours smallint NOT NULL CHECK (neighbours > 0),
            state text NOT NULL DEFAULT 'building' CHECK (state IN ('building', 'ready')),
            faces bigint NOT NULL DEFAULT 0,
            updated_at timestamptz NOT NULL DEFAULT now()
        );
        COMMENT ON COLUMN graphs.faces IS 'That have a row of edges; 0 while it is built.';
        CREATE UNIQUE INDEX graphs_in_state ON graphs (collection_id, state);

        CREATE TABLE graph_slices (
            graph_id uuid NOT NULL REFERENCES graphs (id) ON DELETE CASCADE,
            position integer NOT NULL,
            first_id uuid NOT NULL,
            before_id uuid,
            faces integer NOT NULL,
            state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done')),
            attempts smallint NOT NULL DEFAULT 0,
            lease uuid,
            lease_until timestamptz,
            PRIMARY KEY (graph_id, position)
        );
        COMMENT ON TABLE graph_slices IS 'Parts of a graph that is built, by ids of faces.';
        COMMENT ON COLUMN graph_slices.before_id IS 'The first id of the next slice; null: the last one.';

        CREATE TABLE face_edges (
            graph_id uuid NOT NULL REFERENCES graphs (id) ON DELETE CASCADE,
            face_id uuid NOT NULL,
            neighbours uuid[] NOT NULL,
            cosines real[] NOT NULL,
            PRIMARY KEY (graph_id, face_id),
            CHECK (cardinality(neighbours) = cardinality(cosines))
        );
        COMMENT ON COLUMN face_edges.neighbours IS
            'The nearest other faces of the collection, nearest first. Some may be gone.';
        """
    )


def _reports() -> None:
    op.execute(
        """
        CREATE TABLE reports (
            id uuid PRIMARY KEY DEFAULT uuidv7(),
            collection_id uuid NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
            name text NOT NULL,
            actor text NOT NULL,
            state text NOT NULL DEFAULT 'waiting'
                CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
            step text,
            done bigint NOT NULL DEFAULT 0,
            total bigint NOT NULL DEFAULT 0,
            detail text,
            attempts smallint NOT NULL DEFAULT 0,
            lease uuid,
            lease_until timestamptz,
            previous_id uuid REFERENCES reports (id) ON DELETE SET NULL,
            findings integer NOT NULL DEFAULT 0,
            added integer NOT NULL DEFAULT 0,
            gone integer NOT NULL DEFAULT 0,
            summary jsonb NOT NULL DEFAULT '{}',
            started_at timestamptz,
            finished_at timestamptz
        );
        COMMENT ON COLUMN reports.previous_id IS 'The last version that was done; what is new is told by it.';
        COMMENT ON COLUMN reports.added IS 'Findings that the previous version does not have.';
        COMMENT ON COLUMN reports.gone IS 'Findings of the previous version that this one does not have.';
        CREATE INDEX reports_by_collection ON reports (collection_id, id);
        CREATE INDEX reports_by_previous ON reports (previous_id) WHERE previous_id IS NOT NULL;
        CREATE UNIQUE INDEX reports_open ON reports (collection_id, name)
            WHERE state IN ('waiting', 'running');

        CREATE TABLE report_findings (
            report_id uuid NOT NULL REFERENCES reports (id) ON DELETE CASCADE,
            position integer NOT NULL,
            key text NOT NULL,
            kind text NOT NULL,
            score real NOT NULL,
            is_new boolean NOT NULL DEFAULT false,
            sides jsonb NOT NULL,
            facts jsonb NOT NULL DEFAULT '{}',
            PRIMARY KEY (report_id, position)
        );
        COMMENT ON COLUMN report_findings.position IS 'From 0, what matters most first.';
        COMMENT ON COLUMN report_findings.key IS 'The same in every version that finds the same.';
        COMMENT ON COLUMN report_findings.sides IS
            'What stands side by side: for each its faces, best first, and its person or image.';
        CREATE UNIQUE INDEX report_findings_by_key ON report_findings (report_id, key);
        """
    )


def _reviews() -> None:
    op.execute(
        """
        CREATE TABLE review_items (
            id uuid PRIMARY KEY DEFAULT uuidv7(),
            collection_id uuid NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
            source text NOT NULL,
            key text NOT NULL,
            kind text NOT NULL,
            score real NOT NULL,
            sides jsonb NOT NULL,
            facts jsonb NOT NULL DEFAULT '{}',
            state text NOT NULL DEFAULT 'open'
                CHECK (state IN ('open', 'later', 'decided', 'settled')),
            decision text CHECK (decision IN ('same', 'different', 'wrong_label', 'not_a_face')),
            decided_by text,
            decided_at timestamptz,
            change_id uuid,
            CHECK ((state = 'decided') = (decision IS NOT NULL))
        );
        COMMENT ON COLUMN review_items.source IS 'The report that found it, or arrival: seen at ingest.';
        COMMENT ON COLUMN review_items.state IS
            'settled: what it asks was answered elsewhere, or what it is about is gone.';
        CREATE UNIQUE INDEX review_items_by_key ON review_items (collection_id, source, key);
        CREATE INDEX review_items_in_order
            ON review_items (collection_id, state, score DESC, id DESC) INCLUDE (source);
        CREATE INDEX review_items_by_change ON review_items (change_id) WHERE change_id IS NOT NULL;
        """
    )
