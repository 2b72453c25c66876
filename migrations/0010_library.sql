-- Files of more kinds than archives: recordings of sessions, and rows, of which one order may send a thousand. Those stand
-- in no list of files unless they are asked for, and cost those lists nothing.

ALTER TABLE artifact ADD COLUMN kind TEXT NOT NULL DEFAULT 'archive';
ALTER TABLE artifact ADD COLUMN part BIGINT NOT NULL DEFAULT 0;

DROP INDEX artifact_task;
DROP INDEX artifact_age;
DROP INDEX artifact_endpoint;
CREATE INDEX artifact_task ON artifact (tenant_id, task_id, created_at, id) WHERE kind <> 'rows';
CREATE INDEX artifact_age ON artifact (tenant_id, created_at, id) WHERE kind <> 'rows';
CREATE INDEX artifact_endpoint ON artifact (tenant_id, endpoint_id, created_at, id) WHERE kind <> 'rows';
CREATE INDEX artifact_rows ON artifact (tenant_id, task_id, command_id, part) WHERE kind = 'rows';

-- The library: what orders name by digest. Bodies stand apart, once each, so that no list reads one.

CREATE TABLE library_item (
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    id          TEXT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('script', 'yara', 'query', 'evidence', 'kit', 'indicators')),
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    -- It came with the program; versions of it are added by the program alone.
    built_in    BIGINT NOT NULL DEFAULT 0,
    created_at  BIGINT NOT NULL,
    -- Out of use: named by no new task, still there for what was done.
    archived_at BIGINT,
    archived_by TEXT,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX library_item_name ON library_item (tenant_id, kind, name);
CREATE INDEX library_item_kind ON library_item (tenant_id, kind, id);

CREATE TABLE library_body (
    tenant_id TEXT NOT NULL REFERENCES tenant (id),
    sha256    BYTEA NOT NULL,
    body      BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, sha256)
);

CREATE TABLE library_version (
    tenant_id  TEXT NOT NULL,
    item_id    TEXT NOT NULL,
    version    BIGINT NOT NULL,
    kind       TEXT NOT NULL,
    -- What is known of the body, JSON: what runs a script, how many rules a set has.
    facts      TEXT NOT NULL,
    note       TEXT NOT NULL,
    size       BIGINT NOT NULL,
    sha256     BYTEA NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, item_id, version),
    FOREIGN KEY (tenant_id, item_id) REFERENCES library_item (tenant_id, id),
    FOREIGN KEY (tenant_id, sha256) REFERENCES library_body (tenant_id, sha256)
);
CREATE UNIQUE INDEX library_version_digest ON library_version (tenant_id, kind, sha256);

INSERT INTO library_item (tenant_id, id, kind, name, description, created_at)
    SELECT tenant_id, id, 'script', name, description, created_at FROM script;
INSERT INTO library_body (tenant_id, sha256, body) SELECT tenant_id, sha256, body FROM script_version;
INSERT INTO library_version (tenant_id, item_id, version, kind, facts, note, size, sha256, created_by, created_at)
    SELECT tenant_id, script_id, version, 'script', '{"interpreter":"' || interpreter || '"}', '', size, sha256,
        created_by, created_at FROM script_version;
DROP TABLE script_version;
DROP TABLE script;

UPDATE role SET grants = REPLACE(REPLACE(grants, '"script.read"', '"library.read"'), '"script.write"', '"library.write"');
