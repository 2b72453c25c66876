-- Response plans: ordered tasks under one approval. The tasks are as any other; the plan says in which order they may begin,
-- and what becomes of the rest where one does not go well.

CREATE TABLE response_plan (
    tenant_id      TEXT NOT NULL REFERENCES tenant (id),
    id             TEXT NOT NULL,
    -- What approvers saw: binds the intents of all steps, in their order, and what follows a failure of each.
    digest         BYTEA NOT NULL,
    incident_id    TEXT,
    reason         TEXT NOT NULL,
    requester_kind TEXT NOT NULL,
    requester_id   TEXT NOT NULL,
    requester_name TEXT NOT NULL,
    created_at     BIGINT NOT NULL,
    ended_at       BIGINT,
    -- The step whose end stopped the plan.
    stopped_by     BIGINT,
    undo_of        TEXT,
    undone_by      TEXT,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX response_plan_open ON response_plan (tenant_id, id) WHERE ended_at IS NULL;
CREATE INDEX response_plan_incident ON response_plan (tenant_id, incident_id, id) WHERE incident_id IS NOT NULL;

CREATE TABLE response_step (
    tenant_id  TEXT NOT NULL,
    plan_id    TEXT NOT NULL,
    -- From 0, in the order in which they begin.
    step       BIGINT NOT NULL,
    task_id    TEXT NOT NULL,
    -- What becomes of all that follow where it does not succeed.
    on_failure TEXT NOT NULL CHECK (on_failure IN ('stop', 'continue')),
    -- Numbers of earlier steps, JSON: it is called off where one of them did not succeed.
    needs      TEXT NOT NULL,
    why        TEXT NOT NULL,
    PRIMARY KEY (tenant_id, plan_id, step),
    FOREIGN KEY (tenant_id, plan_id) REFERENCES response_plan (tenant_id, id),
    FOREIGN KEY (tenant_id, task_id) REFERENCES task (tenant_id, id)
);
CREATE UNIQUE INDEX response_step_task ON response_step (tenant_id, task_id);

-- Whose step a task is. Looked at whenever an order is given out: most tasks are nobody's.
ALTER TABLE task ADD COLUMN plan_id TEXT;
