-- Approvals: what waits for people, what they said, and under which digest.

-- `none`: nobody was to be asked. `auto`: the tenant's settings answered. `people`: people answer, and their answers are
-- looked at again whenever an order of the task is given out.
ALTER TABLE task ADD COLUMN approval TEXT NOT NULL DEFAULT 'none'
    CHECK (approval IN ('none', 'auto', 'people', 'break_glass'));

CREATE TABLE approval_request (
    tenant_id       TEXT NOT NULL,
    task_id         TEXT NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'auto', 'rejected', 'expired', 'revoked', 'canceled')),
    digest          BYTEA NOT NULL,
    requester_human TEXT NOT NULL,
    quorum          BIGINT NOT NULL,
    roles           TEXT NOT NULL,
    trace           TEXT NOT NULL,
    blast           TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    expires_at      BIGINT NOT NULL,
    decided_at      BIGINT,
    -- Until when what was approved may begin; the task's own end where absent.
    valid_until     BIGINT,
    PRIMARY KEY (tenant_id, task_id),
    FOREIGN KEY (tenant_id, task_id) REFERENCES task (tenant_id, id)
);
CREATE INDEX approval_request_state ON approval_request (tenant_id, state, task_id);
CREATE INDEX approval_request_age ON approval_request (created_at);
CREATE INDEX approval_request_validity ON approval_request (valid_until) WHERE state = 'approved' AND valid_until IS NOT NULL;

CREATE TABLE approval_decision (
    tenant_id   TEXT NOT NULL,
    task_id     TEXT NOT NULL,
    person_id   TEXT NOT NULL REFERENCES person (id),
    human       TEXT NOT NULL,
    name        TEXT NOT NULL,
    decision    TEXT NOT NULL CHECK (decision IN ('approve', 'reject')),
    digest      BYTEA NOT NULL,
    note        TEXT NOT NULL,
    -- `api`, `console`, `mail`.
    via         TEXT NOT NULL,
    decided_at  BIGINT NOT NULL,
    -- The approver's own signature over the digest, an encoded message of the agent protocol.
    signature   BYTEA,
    revoked_at  BIGINT,
    PRIMARY KEY (tenant_id, task_id, person_id),
    FOREIGN KEY (tenant_id, task_id) REFERENCES approval_request (tenant_id, task_id) ON DELETE CASCADE
);

-- A link in a mail: it shows one request to one person, and is good for one decision.
CREATE TABLE approval_link (
    tenant_id  TEXT NOT NULL,
    id         TEXT NOT NULL,
    hash       BYTEA NOT NULL,
    task_id    TEXT NOT NULL,
    person_id  TEXT NOT NULL REFERENCES person (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, task_id) REFERENCES approval_request (tenant_id, task_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX approval_link_hash ON approval_link (hash);

-- Endpoints that a tenant's approval settings name: pinned by id when a list is imported, since endpoints name themselves.
CREATE TABLE approval_list (
    tenant_id   TEXT NOT NULL,
    list        TEXT NOT NULL CHECK (list IN ('except', 'only', 'protected')),
    endpoint_id TEXT NOT NULL,
    written     TEXT NOT NULL,
    added_at    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, list, endpoint_id),
    FOREIGN KEY (tenant_id, endpoint_id) REFERENCES endpoint (tenant_id, id)
);

CREATE TABLE break_glass (
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    id          TEXT NOT NULL,
    person_id   TEXT NOT NULL REFERENCES person (id),
    human       TEXT NOT NULL,
    name        TEXT NOT NULL,
    reason      TEXT NOT NULL,
    begun_at    BIGINT NOT NULL,
    until_at    BIGINT NOT NULL,
    ended_at    BIGINT,
    reviewed_by TEXT,
    reviewed_at BIGINT,
    note        TEXT,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX break_glass_person ON break_glass (tenant_id, person_id, until_at);
