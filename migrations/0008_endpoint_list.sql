-- Lists of tens of thousands of endpoints: sorted, searched and counted without reading what agents say of themselves.

-- What is large and only shown moves out of the rows that lists walk.
CREATE TABLE endpoint_facts (
    tenant_id    TEXT NOT NULL,
    endpoint_id  TEXT NOT NULL,
    facts        TEXT NOT NULL,
    capabilities TEXT NOT NULL,
    PRIMARY KEY (tenant_id, endpoint_id),
    FOREIGN KEY (tenant_id, endpoint_id) REFERENCES endpoint (tenant_id, id) ON DELETE CASCADE
);
INSERT INTO endpoint_facts (tenant_id, endpoint_id, facts, capabilities)
    SELECT tenant_id, id, facts, capabilities FROM endpoint;

-- The name in lower case, by which people expect a list to be sorted, and what a search looks at, in lower case.
-- Until its agent connects again, the search of an endpoint that is there already looks at all that it said.
ALTER TABLE endpoint ADD COLUMN name_key TEXT NOT NULL DEFAULT '';
ALTER TABLE endpoint ADD COLUMN search TEXT NOT NULL DEFAULT '';
UPDATE endpoint SET name_key = lower(name), search = substr(lower(name || ' ' || tags || ' ' || facts), 1, 4000);

ALTER TABLE endpoint DROP COLUMN facts;
ALTER TABLE endpoint DROP COLUMN capabilities;
CREATE INDEX endpoint_name_key ON endpoint (tenant_id, name_key, id);
