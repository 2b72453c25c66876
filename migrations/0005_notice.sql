-- Notices: what people and other systems are told. They follow the sealed audit trail, so that nothing is told twice
-- and nothing is left out; what is on its way stands here until it arrived or was given up.

CREATE TABLE webhook (
    tenant_id     TEXT NOT NULL REFERENCES tenant (id),
    id            TEXT NOT NULL,
    name          TEXT NOT NULL,
    url           TEXT NOT NULL,
    kinds         TEXT NOT NULL,
    -- Sealed. Both sign until the time when the former ends.
    secret        BYTEA NOT NULL,
    former        BYTEA,
    former_until  BIGINT,
    state         TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX webhook_name ON webhook (tenant_id, name);

CREATE TABLE notice (
    tenant_id  TEXT NOT NULL REFERENCES tenant (id),
    id         TEXT NOT NULL,
    kind       TEXT NOT NULL,
    object_id  TEXT NOT NULL,
    body       TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX notice_age ON notice (created_at);

CREATE TABLE delivery (
    tenant_id   TEXT NOT NULL,
    id          TEXT NOT NULL,
    notice_id   TEXT NOT NULL,
    channel     TEXT NOT NULL CHECK (channel IN ('mail', 'webhook')),
    -- An address, or the id of a webhook.
    destination TEXT NOT NULL,
    person_id   TEXT,
    kind        TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('pending', 'sent', 'held', 'dead')),
    attempts    BIGINT NOT NULL DEFAULT 0,
    created_at  BIGINT NOT NULL,
    next_at     BIGINT NOT NULL,
    -- Whose turn it is to send: who changes this is the one who does.
    claim       TEXT,
    last_error  TEXT,
    sent_at     BIGINT,
    -- Deliveries of one key become one mail, which says how many they were.
    fold_key    TEXT,
    folded      BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, notice_id) REFERENCES notice (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX delivery_due ON delivery (next_at) WHERE state = 'pending';
CREATE INDEX delivery_notice ON delivery (tenant_id, notice_id);
CREATE INDEX delivery_age ON delivery (tenant_id, created_at);
CREATE INDEX delivery_to ON delivery (tenant_id, destination, created_at);

-- How far the trail was read, by tenant: all batches up to this one.
CREATE TABLE notice_cursor (
    tenant_id TEXT PRIMARY KEY REFERENCES tenant (id),
    batch     BIGINT NOT NULL
);
