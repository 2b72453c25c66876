-- Remote shells: one for each command that opened one. What was typed and written is in the recording, an artifact; here is
-- what lists show.

CREATE TABLE shell (
    tenant_id      TEXT NOT NULL REFERENCES tenant (id),
    id             TEXT NOT NULL,
    task_id        TEXT NOT NULL,
    endpoint_id    TEXT NOT NULL,
    requester_name TEXT NOT NULL,
    program        TEXT NOT NULL,
    run_as         TEXT NOT NULL,
    began_at       BIGINT NOT NULL,
    ended_at       BIGINT,
    reason         TEXT,
    ended_by       TEXT,
    exit_code      BIGINT,
    end_signal     BIGINT,
    bytes_in       BIGINT NOT NULL DEFAULT 0,
    bytes_out      BIGINT NOT NULL DEFAULT 0,
    artifact_id    TEXT,
    PRIMARY KEY (tenant_id, id)
);
