-- Incidents: what was detected, the chains of what led to it and came of it, and what people make of it.

-- The number that the tenant's next incident gets. The row is what those who make incidents wait for.
CREATE TABLE incident_number (
    tenant_id TEXT PRIMARY KEY REFERENCES tenant (id),
    last      BIGINT NOT NULL
);

-- `is_titled` and `is_graded`: a person chose title or severity, and nothing that is detected later changes it.
CREATE TABLE incident (
    tenant_id     TEXT NOT NULL REFERENCES tenant (id),
    id            TEXT NOT NULL,
    number        BIGINT NOT NULL,
    title         TEXT NOT NULL,
    is_titled     SMALLINT NOT NULL DEFAULT 0,
    severity      BIGINT NOT NULL CHECK (severity BETWEEN 1 AND 5),
    is_graded     SMALLINT NOT NULL DEFAULT 0,
    state         TEXT NOT NULL CHECK (state IN ('open', 'in_progress', 'closed')),
    resolution    TEXT CHECK (resolution IN ('true_positive', 'false_positive', 'benign', 'duplicate')),
    assignee_id   TEXT,
    assignee_name TEXT,
    created_at    BIGINT NOT NULL,
    first_at      BIGINT NOT NULL,
    last_at       BIGINT NOT NULL,
    closed_at     BIGINT,
    closed_by     TEXT,
    merged_into   TEXT,
    detections    BIGINT NOT NULL DEFAULT 0,
    revision      BIGINT NOT NULL DEFAULT 1,
    search        TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CHECK ((state = 'closed') = (resolution IS NOT NULL) AND (state = 'closed') = (closed_at IS NOT NULL))
);
CREATE UNIQUE INDEX incident_by_number ON incident (tenant_id, number);
CREATE INDEX incident_last ON incident (tenant_id, last_at, id);
CREATE INDEX incident_severity ON incident (tenant_id, severity, id);
CREATE INDEX incident_closed ON incident (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE incident_endpoint (
    tenant_id   TEXT NOT NULL,
    incident_id TEXT NOT NULL,
    endpoint_id TEXT NOT NULL,
    detections  BIGINT NOT NULL,
    last_at     BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, incident_id, endpoint_id),
    FOREIGN KEY (tenant_id, incident_id) REFERENCES incident (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX incident_endpoint_endpoint ON incident_endpoint (tenant_id, endpoint_id, incident_id);

CREATE TABLE incident_technique (
    tenant_id   TEXT NOT NULL,
    incident_id TEXT NOT NULL,
    technique   TEXT NOT NULL,
    PRIMARY KEY (tenant_id, incident_id, technique),
    FOREIGN KEY (tenant_id, incident_id) REFERENCES incident (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX incident_technique_technique ON incident_technique (tenant_id, technique, incident_id);

-- What a later detection is recognised by as part of the same incident.
CREATE TABLE incident_link (
    tenant_id   TEXT NOT NULL,
    kind        TEXT NOT NULL,
    value       TEXT NOT NULL,
    incident_id TEXT NOT NULL,
    last_at     BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, kind, value, incident_id),
    FOREIGN KEY (tenant_id, incident_id) REFERENCES incident (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX incident_link_incident ON incident_link (tenant_id, incident_id, last_at);

CREATE TABLE incident_note (
    tenant_id   TEXT NOT NULL,
    incident_id TEXT NOT NULL,
    id          TEXT NOT NULL,
    author_kind TEXT NOT NULL,
    author_id   TEXT NOT NULL,
    author_name TEXT NOT NULL,
    body        TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    edited_at   BIGINT,
    PRIMARY KEY (tenant_id, incident_id, id),
    FOREIGN KEY (tenant_id, incident_id) REFERENCES incident (tenant_id, id) ON DELETE CASCADE
);

-- A row of the Events section. `origin` is `endpoint` for what a Quell agent detected, and `product` for what was taken in.
-- `source_id` is unique in its source; that of an endpoint's detection begins with the endpoint's id. `at` is the time told,
-- brought into what is plausible; `told_at` is the time as it was told.
CREATE TABLE detection (
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    id          TEXT NOT NULL,
    incident_id TEXT,
    origin      TEXT NOT NULL CHECK (origin IN ('endpoint', 'product')),
    source      TEXT NOT NULL,
    source_id   TEXT NOT NULL,
    endpoint_id TEXT,
    hint        TEXT,
    chain_id    TEXT,
    activity    BIGINT,
    at          BIGINT NOT NULL,
    told_at     BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    rule        TEXT NOT NULL,
    title       TEXT NOT NULL,
    severity    BIGINT NOT NULL CHECK (severity BETWEEN 1 AND 5),
    verdict     TEXT CHECK (verdict IN ('detected', 'prevented', 'not_prevented')),
    techniques  TEXT NOT NULL,
    note        TEXT NOT NULL,
    path        BYTEA,
    sha256      BYTEA,
    user_name   TEXT,
    protection  BIGINT NOT NULL DEFAULT 0,
    joined      TEXT,
    body        TEXT,
    search      TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX detection_source ON detection (tenant_id, source, source_id);
CREATE INDEX detection_at ON detection (tenant_id, at, id);
CREATE INDEX detection_severity ON detection (tenant_id, severity, id);
CREATE INDEX detection_incident ON detection (tenant_id, incident_id, id) WHERE incident_id IS NOT NULL;
CREATE INDEX detection_chain ON detection (tenant_id, chain_id, activity) WHERE chain_id IS NOT NULL;
CREATE INDEX detection_loose ON detection (received_at) WHERE incident_id IS NULL;

-- A threat development chain. `name` is the id that the endpoint gave it. `is_closed`: the endpoint said that nothing more
-- comes, or was told that nothing more is wanted. The gaps are counted by the endpoint; what was beyond the limits here too.
CREATE TABLE chain (
    tenant_id         TEXT NOT NULL,
    id                TEXT NOT NULL,
    endpoint_id       TEXT NOT NULL,
    name              TEXT NOT NULL,
    incident_id       TEXT,
    boot_id           TEXT NOT NULL,
    root_pid          BIGINT NOT NULL,
    root_start        BIGINT NOT NULL,
    serial            BIGINT NOT NULL,
    is_closed         SMALLINT NOT NULL DEFAULT 0,
    opened_at         BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL,
    processes         BIGINT NOT NULL DEFAULT 0,
    activities        BIGINT NOT NULL DEFAULT 0,
    detections        BIGINT NOT NULL DEFAULT 0,
    bytes             BIGINT NOT NULL DEFAULT 0,
    lost              BIGINT NOT NULL DEFAULT 0,
    processes_beyond  BIGINT NOT NULL DEFAULT 0,
    activities_beyond BIGINT NOT NULL DEFAULT 0,
    dropped           BIGINT NOT NULL DEFAULT 0,
    begins_late       SMALLINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, endpoint_id, name),
    FOREIGN KEY (tenant_id, endpoint_id) REFERENCES endpoint (tenant_id, id)
);
CREATE INDEX chain_incident ON chain (tenant_id, incident_id, id) WHERE incident_id IS NOT NULL;
CREATE INDEX chain_open ON chain (tenant_id, endpoint_id, updated_at) WHERE is_closed = 0;
CREATE INDEX chain_loose ON chain (updated_at) WHERE incident_id IS NULL;

CREATE TABLE chain_process (
    tenant_id    TEXT NOT NULL,
    chain_id     TEXT NOT NULL,
    pid          BIGINT NOT NULL,
    start        BIGINT NOT NULL,
    parent_pid   BIGINT,
    parent_start BIGINT,
    started_at   BIGINT NOT NULL,
    body         BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, chain_id, pid, start)
);

CREATE TABLE chain_activity (
    tenant_id   TEXT NOT NULL,
    chain_id    TEXT NOT NULL,
    activity    BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    kind        TEXT NOT NULL,
    pid         BIGINT NOT NULL,
    start       BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    body        BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, chain_id, activity)
);
CREATE INDEX chain_activity_at ON chain_activity (tenant_id, chain_id, at, activity);

-- From which incident a task was asked for, and for which activity event: id of the chain, a slash, id of the event.
ALTER TABLE task ADD COLUMN incident_id TEXT;
ALTER TABLE task ADD COLUMN activity TEXT;
CREATE INDEX task_incident ON task (tenant_id, incident_id, id) WHERE incident_id IS NOT NULL;
