-- What a tenant's offline root says of approvals, as it was signed. Kept and handed on, never made here.

CREATE TABLE trust_bundle (
    tenant_id    TEXT NOT NULL REFERENCES tenant (id),
    serial       BIGINT NOT NULL,
    bundle       BYTEA NOT NULL,
    signature    BYTEA NOT NULL,
    key_id       TEXT NOT NULL,
    -- Whether it names the next root: endpoints that were away need it on the way to the newest.
    rotates      SMALLINT NOT NULL,
    published_by TEXT NOT NULL,
    published_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, serial),
    CHECK (serial > 0)
);
