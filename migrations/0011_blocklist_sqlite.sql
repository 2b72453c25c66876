
-- The target of a command may be a service, which is no row of `endpoint`. SQLite takes no constraint off a table: it is
-- made anew. What other tables say of its rows is looked at when the migration is committed.
PRAGMA defer_foreign_keys = ON;
CREATE TABLE command_kept AS SELECT * FROM command;
DROP TABLE command;
CREATE TABLE command (
    tenant_id         TEXT NOT NULL,
    id                TEXT NOT NULL,
    task_id           TEXT NOT NULL,
    target            BYTEA NOT NULL,
    leaf_index        BIGINT NOT NULL,
    proof             BYTEA NOT NULL,
    service           TEXT NOT NULL,
    endpoint_id       TEXT NOT NULL,
    action            TEXT NOT NULL,
    exclusion         TEXT,
    priority          BIGINT NOT NULL,
    nonce             BYTEA NOT NULL,
    not_before        BIGINT NOT NULL,
    not_after         BIGINT NOT NULL,
    state             TEXT NOT NULL CHECK (state IN ('pending_approval', 'queued', 'dispatched', 'running', 'verifying',
                          'succeeded', 'failed', 'refused', 'rejected', 'canceled', 'expired', 'indeterminate')),
    reason_code       TEXT,
    message           TEXT,
    attempts          BIGINT NOT NULL DEFAULT 0,
    dispatched_at     BIGINT,
    started_at        BIGINT,
    outcome_at        BIGINT,
    ended_at          BIGINT,
    deadline_at       BIGINT NOT NULL,
    progress          TEXT,
    outcome           TEXT,
    outcome_signed    BYTEA,
    outcome_signature BYTEA,
    evidence          TEXT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, task_id) REFERENCES task (tenant_id, id)
);
INSERT INTO command SELECT * FROM command_kept;
DROP TABLE command_kept;
CREATE UNIQUE INDEX command_leaf ON command (tenant_id, task_id, leaf_index);
-- The hot path: what waits for one endpoint, and what is under way there.
CREATE INDEX command_open ON command (tenant_id, endpoint_id, state, priority, id) WHERE ended_at IS NULL;
CREATE INDEX command_endpoint ON command (tenant_id, endpoint_id, id);
CREATE INDEX command_deadline ON command (deadline_at) WHERE ended_at IS NULL;
