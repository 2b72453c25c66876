-- Notices: what people and other systems are told. They follow the sealed audit trail, so that nothing is told twice
-- and nothing is left out; what is on its way stands here until it arrived or was given up.

CREATE TABLE webhook (
    tenant_id     TEXT NOT NULL REFERENCES tenant (id),
    id            TEXT NOT NULL,
    name          TEXT NOT NULL,
    url           TEXT NOT NULL,
    kinds         TEXT NOT NULL,
    secret        BYTEA NOT NULL,
    secret_before BYTEA,
    state         TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE notice (
    tenant_id  TEXT NOT NULL REFERENCES tenant (id),
    id         TEXT NOT NULL,
    kind       TEXT NOT NULL,
    object_id  TEXT NOT NULL,
    body       TEXT NOT NULL,
    folded     BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE delivery (
    tenant_id   TEXT NOT NULL,
    id          TEXT NOT NULL,
    notice_id   TEXT NOT NULL,
    channel     TEXT NOT NULL CHECK (channel IN ('mail', 'webhook')),
    destination TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('pending', 'sent', 'dead')),
    attempts    BIGINT NOT NULL DEFAULT 0,
    next_at     BIGINT NOT NULL,
    last_error  TEXT,
    sent_at     BIGINT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, notice_id) REFERENCES notice (tenant_id, id)
);
CREATE INDEX delivery_due ON delivery (next_at) WHERE state = 'pending';
CREATE INDEX delivery_notice ON delivery (tenant_id, notice_id);

-- How far the trail was read, by tenant.
CREATE TABLE notice_cursor (
    tenant_id TEXT PRIMARY KEY REFERENCES tenant (id),
    batch     BIGINT NOT NULL
);
