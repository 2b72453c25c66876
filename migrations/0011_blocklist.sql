-- The block list. An object is listed for as long as anybody who listed it has not taken it back: `blocklist_source` has a
-- row for each task that listed an object, `blocklist_object` what follows from them, which is what agents are told.

CREATE TABLE blocklist_object (
    tenant_id  TEXT NOT NULL REFERENCES tenant (id),
    id         TEXT NOT NULL,
    kind       BIGINT NOT NULL,
    value      BYTEA NOT NULL,
    shown      TEXT NOT NULL,
    action     BIGINT NOT NULL,
    risk       BIGINT NOT NULL,
    expires_at BIGINT,
    note       TEXT,
    task_id    TEXT NOT NULL,
    added_by   TEXT NOT NULL,
    added_at   BIGINT NOT NULL,
    version    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, kind, value)
);
CREATE UNIQUE INDEX blocklist_object_id ON blocklist_object (tenant_id, id);
CREATE INDEX blocklist_object_expiry ON blocklist_object (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE blocklist_source (
    tenant_id  TEXT NOT NULL REFERENCES tenant (id),
    kind       BIGINT NOT NULL,
    value      BYTEA NOT NULL,
    task_id    TEXT NOT NULL,
    action     BIGINT NOT NULL,
    risk       BIGINT NOT NULL,
    expires_at BIGINT,
    note       TEXT,
    added_by   TEXT NOT NULL,
    added_at   BIGINT NOT NULL,
    removed_by TEXT,
    PRIMARY KEY (tenant_id, kind, value, task_id)
);
CREATE INDEX blocklist_source_task ON blocklist_source (tenant_id, task_id);
CREATE INDEX blocklist_source_removed ON blocklist_source (tenant_id, removed_by) WHERE removed_by IS NOT NULL;

CREATE TABLE blocklist_exception (
    tenant_id TEXT NOT NULL REFERENCES tenant (id),
    kind      BIGINT NOT NULL,
    value     BYTEA NOT NULL,
    shown     TEXT NOT NULL,
    reason    TEXT NOT NULL,
    added_by  TEXT NOT NULL,
    added_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, kind, value)
);

-- One row for each tenant: the newest version. The row is what writers of one tenant wait for.
CREATE TABLE blocklist_state (
    tenant_id  TEXT PRIMARY KEY REFERENCES tenant (id),
    version    BIGINT NOT NULL,
    digest     BYTEA NOT NULL,
    objects    BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- What led to each version. Without a signature until the signer gave one.
CREATE TABLE blocklist_delta (
    tenant_id  TEXT NOT NULL REFERENCES tenant (id),
    version    BIGINT NOT NULL,
    digest     BYTEA NOT NULL,
    delta      BYTEA NOT NULL,
    signature  BYTEA,
    key_id     TEXT,
    made_at    BIGINT NOT NULL,
    cause      TEXT NOT NULL,
    added      BIGINT NOT NULL,
    removed    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, version)
);

-- What agents say that they enforce; written in batches.
CREATE TABLE blocklist_agent (
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    endpoint_id TEXT NOT NULL,
    version     BIGINT NOT NULL,
    applied_at  BIGINT NOT NULL,
    reported_at BIGINT NOT NULL,
    kinds       TEXT NOT NULL,
    PRIMARY KEY (tenant_id, endpoint_id),
    FOREIGN KEY (tenant_id, endpoint_id) REFERENCES endpoint (tenant_id, id)
);
