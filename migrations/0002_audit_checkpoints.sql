-- The audit trail proves itself: its rows are sealed in batches, each under a signed checkpoint that names the
-- one before it. A row gets its place once, when it is sealed, and is not touched again.

ALTER TABLE audit ADD COLUMN batch BIGINT;
ALTER TABLE audit ADD COLUMN leaf BIGINT;
CREATE INDEX audit_unsealed ON audit (tenant_id, id) WHERE batch IS NULL;

CREATE TABLE audit_checkpoint (
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    batch       BIGINT NOT NULL,
    body        BYTEA NOT NULL,
    signature   BYTEA NOT NULL,
    key_id      TEXT NOT NULL,
    PRIMARY KEY (tenant_id, batch)
);
