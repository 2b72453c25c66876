-- What a tenant wants recorded, detected and prevented: a row for each version, and the newest that is signed is what agents
-- are given. The bodies of rules stand beside those of the library.

CREATE TABLE protection (
    tenant_id  TEXT NOT NULL REFERENCES tenant (id),
    version    BIGINT NOT NULL,
    -- As people set it, JSON.
    settings   TEXT NOT NULL,
    -- The rules that it has, JSON.
    rules      TEXT NOT NULL,
    -- Which built-in rules the program had that made it.
    pack       TEXT NOT NULL,
    document   BYTEA NOT NULL,
    behaviour  BYTEA,
    yara       BYTEA,
    -- Without a signature until the signer gave one.
    signature  BYTEA,
    key_id     TEXT,
    changed_by TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, version),
    FOREIGN KEY (tenant_id, behaviour) REFERENCES library_body (tenant_id, sha256),
    FOREIGN KEY (tenant_id, yara) REFERENCES library_body (tenant_id, sha256)
);

-- What agents say of their flight recorders; written in batches, and only when it changed.
CREATE TABLE recorder_state (
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    endpoint_id TEXT NOT NULL,
    protection  BIGINT NOT NULL,
    told_at     BIGINT NOT NULL,
    reported_at BIGINT NOT NULL,
    detail      TEXT NOT NULL,
    PRIMARY KEY (tenant_id, endpoint_id),
    FOREIGN KEY (tenant_id, endpoint_id) REFERENCES endpoint (tenant_id, id)
);
