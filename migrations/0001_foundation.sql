-- The ground: tenants, audit, access, endpoints, tasks with their commands, artifacts, scripts.
--
-- One text for SQLite and PostgreSQL. Ids are UUID text, times are microseconds since the Unix epoch,
-- booleans are SMALLINT 0 or 1, JSON is TEXT. The tenant leads every key, so that no statement can
-- reach a row of another tenant by its id alone.

CREATE TABLE tenant (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    created_at  BIGINT NOT NULL
);
CREATE UNIQUE INDEX tenant_name ON tenant (name);

-- Written in the same transaction as what it records. Never updated, never deleted by the product.
CREATE TABLE audit (
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    id          TEXT NOT NULL,
    at          BIGINT NOT NULL,
    actor_kind  TEXT NOT NULL,
    actor_id    TEXT NOT NULL,
    actor_name  TEXT NOT NULL,
    verb        TEXT NOT NULL,
    object_kind TEXT NOT NULL,
    object_id   TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    detail      TEXT NOT NULL,
    request_id  TEXT,
    remote      TEXT,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX audit_object ON audit (tenant_id, object_id, id);

CREATE TABLE setting (
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    name        TEXT NOT NULL,
    value       TEXT NOT NULL,
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name)
);

-- Public halves of the server's own keys (order signing, certificate authority). The private half is
-- never in the database.
CREATE TABLE server_key (
    id          TEXT PRIMARY KEY,
    purpose     TEXT NOT NULL,
    public      BYTEA NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('current', 'previous', 'retired')),
    created_at  BIGINT NOT NULL,
    retired_at  BIGINT
);
CREATE UNIQUE INDEX server_key_current ON server_key (purpose) WHERE state = 'current';

CREATE TABLE api_key (
    tenant_id    TEXT NOT NULL REFERENCES tenant (id),
    id           TEXT NOT NULL,
    name         TEXT NOT NULL,
    prefix       TEXT NOT NULL,
    hash         BYTEA NOT NULL,
    role         TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    last_used_at BIGINT,
    revoked_at   BIGINT,
    PRIMARY KEY (tenant_id, id)
);
-- The one look-up that knows no tenant yet: the key itself says which.
CREATE UNIQUE INDEX api_key_prefix ON api_key (prefix);

CREATE TABLE enrolment_token (
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    id          TEXT NOT NULL,
    name        TEXT NOT NULL,
    hash        BYTEA NOT NULL,
    tags        TEXT NOT NULL,
    max_uses    BIGINT NOT NULL,
    uses        BIGINT NOT NULL DEFAULT 0,
    created_by  TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    revoked_at  BIGINT,
    PRIMARY KEY (tenant_id, id),
    CHECK (uses >= 0 AND uses <= max_uses)
);
CREATE UNIQUE INDEX enrolment_token_hash ON enrolment_token (hash);

CREATE TABLE endpoint (
    tenant_id      TEXT NOT NULL REFERENCES tenant (id),
    id             TEXT NOT NULL,
    name           TEXT NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('active', 'revoked')),
    public_key     BYTEA NOT NULL,
    cert_serial    TEXT NOT NULL,
    cert_not_after BIGINT NOT NULL,
    fingerprint    TEXT NOT NULL,
    os             TEXT NOT NULL,
    arch           TEXT NOT NULL,
    agent_version  TEXT NOT NULL,
    facts          TEXT NOT NULL,
    capabilities   TEXT NOT NULL,
    isolation      TEXT,
    tags           TEXT NOT NULL,
    enrolled_at    BIGINT NOT NULL,
    last_seen_at   BIGINT,
    alarm          TEXT,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX endpoint_name ON endpoint (tenant_id, name);
CREATE INDEX endpoint_fingerprint ON endpoint (tenant_id, fingerprint);

CREATE TABLE endpoint_tag (
    tenant_id   TEXT NOT NULL,
    tag         TEXT NOT NULL,
    endpoint_id TEXT NOT NULL,
    PRIMARY KEY (tenant_id, tag, endpoint_id),
    FOREIGN KEY (tenant_id, endpoint_id) REFERENCES endpoint (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX endpoint_tag_endpoint ON endpoint_tag (tenant_id, endpoint_id);

CREATE TABLE task (
    tenant_id           TEXT NOT NULL REFERENCES tenant (id),
    id                  TEXT NOT NULL,
    action              TEXT NOT NULL,
    revision            BIGINT NOT NULL,
    params              TEXT NOT NULL,
    params_public       TEXT NOT NULL,
    intent              BYTEA NOT NULL,
    intent_digest       BYTEA NOT NULL,
    requester_kind      TEXT NOT NULL,
    requester_id        TEXT NOT NULL,
    requester_name      TEXT NOT NULL,
    created_from        TEXT NOT NULL,
    reason              TEXT NOT NULL,
    idempotency_key     TEXT,
    request_digest      BYTEA NOT NULL,
    created_at          BIGINT NOT NULL,
    expires_at          BIGINT NOT NULL,
    state               TEXT NOT NULL CHECK (state IN ('pending_approval', 'queued', 'running', 'succeeded', 'failed',
                            'refused', 'rejected', 'canceled', 'expired', 'indeterminate')),
    reason_code         TEXT,
    cancel_requested_at BIGINT,
    revert_after        BIGINT,
    revert_at           BIGINT,
    undo_of             TEXT,
    undone_by           TEXT,
    target_count        BIGINT NOT NULL,
    open_count          BIGINT NOT NULL,
    succeeded_count     BIGINT NOT NULL DEFAULT 0,
    worst               BIGINT NOT NULL DEFAULT 0,
    ended_at            BIGINT,
    PRIMARY KEY (tenant_id, id),
    CHECK (open_count >= 0 AND open_count <= target_count)
);
CREATE UNIQUE INDEX task_idempotency ON task (tenant_id, requester_kind, requester_id, idempotency_key);
CREATE INDEX task_state ON task (tenant_id, state, id);
CREATE INDEX task_revert ON task (revert_at) WHERE revert_at IS NOT NULL;

CREATE TABLE command (
    tenant_id         TEXT NOT NULL,
    id                TEXT NOT NULL,
    task_id           TEXT NOT NULL,
    target            BYTEA NOT NULL,
    leaf_index        BIGINT NOT NULL,
    proof             BYTEA NOT NULL,
    service           TEXT NOT NULL,
    endpoint_id       TEXT NOT NULL,
    action            TEXT NOT NULL,
    exclusion         TEXT,
    priority          BIGINT NOT NULL,
    nonce             BYTEA NOT NULL,
    not_before        BIGINT NOT NULL,
    not_after         BIGINT NOT NULL,
    state             TEXT NOT NULL CHECK (state IN ('pending_approval', 'queued', 'dispatched', 'running', 'verifying',
                          'succeeded', 'failed', 'refused', 'rejected', 'canceled', 'expired', 'indeterminate')),
    reason_code       TEXT,
    message           TEXT,
    attempts          BIGINT NOT NULL DEFAULT 0,
    dispatched_at     BIGINT,
    started_at        BIGINT,
    outcome_at        BIGINT,
    ended_at          BIGINT,
    deadline_at       BIGINT NOT NULL,
    progress          TEXT,
    outcome           TEXT,
    outcome_signed    BYTEA,
    outcome_signature BYTEA,
    evidence          TEXT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, task_id) REFERENCES task (tenant_id, id),
    FOREIGN KEY (tenant_id, endpoint_id) REFERENCES endpoint (tenant_id, id)
);
CREATE UNIQUE INDEX command_leaf ON command (tenant_id, task_id, leaf_index);
-- The hot path: what waits for one endpoint, and what is under way there.
CREATE INDEX command_open ON command (tenant_id, endpoint_id, state, priority, id) WHERE ended_at IS NULL;
CREATE INDEX command_endpoint ON command (tenant_id, endpoint_id, id);
CREATE INDEX command_deadline ON command (deadline_at) WHERE ended_at IS NULL;

CREATE TABLE artifact (
    tenant_id   TEXT NOT NULL,
    id          TEXT NOT NULL,
    task_id     TEXT NOT NULL,
    command_id  TEXT NOT NULL,
    endpoint_id TEXT NOT NULL,
    name        TEXT NOT NULL,
    media_type  TEXT NOT NULL,
    size        BIGINT NOT NULL,
    sha256      BYTEA NOT NULL,
    sha1        BYTEA,
    state       TEXT NOT NULL CHECK (state IN ('uploading', 'stored', 'failed', 'expired', 'deleted')),
    received    BIGINT NOT NULL DEFAULT 0,
    object_key  TEXT,
    created_at  BIGINT NOT NULL,
    stored_at   BIGINT,
    expires_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, command_id) REFERENCES command (tenant_id, id),
    CHECK (size >= 0 AND received >= 0 AND received <= size)
);
CREATE INDEX artifact_task ON artifact (tenant_id, task_id, id);
CREATE INDEX artifact_command ON artifact (tenant_id, command_id, id);
CREATE INDEX artifact_expiry ON artifact (expires_at) WHERE state IN ('uploading', 'stored');

CREATE TABLE script (
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    id          TEXT NOT NULL,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX script_name ON script (tenant_id, name);

CREATE TABLE script_version (
    tenant_id   TEXT NOT NULL,
    script_id   TEXT NOT NULL,
    version     BIGINT NOT NULL,
    interpreter TEXT NOT NULL,
    body        BYTEA NOT NULL,
    size        BIGINT NOT NULL,
    sha256      BYTEA NOT NULL,
    created_by  TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, script_id, version),
    FOREIGN KEY (tenant_id, script_id) REFERENCES script (tenant_id, id)
);
CREATE UNIQUE INDEX script_version_digest ON script_version (tenant_id, sha256);
