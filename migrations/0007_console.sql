-- What people set for themselves in the console: saved views, columns, the theme. Of one person in one tenant.

CREATE TABLE person_setting (
    tenant_id  TEXT NOT NULL REFERENCES tenant (id),
    person_id  TEXT NOT NULL REFERENCES person (id),
    name       TEXT NOT NULL,
    value      TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, person_id, name)
);

-- Artifacts by time: their ids are the agents' and say nothing about it.
CREATE INDEX artifact_age ON artifact (tenant_id, created_at, id);
CREATE INDEX artifact_endpoint ON artifact (tenant_id, endpoint_id, created_at, id);
