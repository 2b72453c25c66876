-- Host names and addresses that agents tell of themselves, in lower case: by them what other products tell is placed, without a
-- search over all endpoints. Until its agent connects again, an endpoint that is there already is found by its name alone.
CREATE TABLE endpoint_place (
    tenant_id   TEXT NOT NULL,
    place       TEXT NOT NULL,
    endpoint_id TEXT NOT NULL,
    PRIMARY KEY (tenant_id, place, endpoint_id),
    FOREIGN KEY (tenant_id, endpoint_id) REFERENCES endpoint (tenant_id, id) ON DELETE CASCADE
);
-- With the place: SQLite would rather read all places of the tenant than look a few up.
CREATE UNIQUE INDEX endpoint_place_endpoint ON endpoint_place (tenant_id, endpoint_id, place);

-- The chains of an endpoint whose bodies are kept: counted whenever another begins. One that has 0 bytes is known by its
-- detections alone.
CREATE INDEX chain_held ON chain (tenant_id, endpoint_id, opened_at, bytes) WHERE bytes > 0;
