
-- The library has one kind more. SQLite takes no constraint off a table: it is made anew. What other tables say of its rows is
-- looked at when the migration is committed.
PRAGMA defer_foreign_keys = ON;
CREATE TABLE library_item_kept AS SELECT * FROM library_item;
DROP TABLE library_item;
CREATE TABLE library_item (
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    id          TEXT NOT NULL,
    kind        TEXT NOT NULL
                    CHECK (kind IN ('script', 'yara', 'query', 'evidence', 'kit', 'indicators', 'sigma')),
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    -- It came with the program; versions of it are added by the program alone.
    built_in    BIGINT NOT NULL DEFAULT 0,
    created_at  BIGINT NOT NULL,
    -- Out of use: named by no new task, still there for what was done.
    archived_at BIGINT,
    archived_by TEXT,
    PRIMARY KEY (tenant_id, id)
);
INSERT INTO library_item SELECT * FROM library_item_kept;
DROP TABLE library_item_kept;
CREATE UNIQUE INDEX library_item_name ON library_item (tenant_id, kind, name);
CREATE INDEX library_item_kind ON library_item (tenant_id, kind, id);
