-- People: who they are, what they are in which tenant, how they sign in. A person belongs to a home tenant and may be
-- a member of several; a session is in one of them at a time, and only there does it say whose things are meant.

CREATE TABLE person (
    tenant_id           TEXT NOT NULL REFERENCES tenant (id),
    id                  TEXT NOT NULL,
    -- One human may have several accounts: they share this, and count once where people decide.
    human               TEXT NOT NULL,
    name                TEXT NOT NULL,
    email               TEXT NOT NULL,
    email_key           TEXT NOT NULL,
    -- The case-folded address where the account signs in here with a password or passkey; one account on the server.
    local_key           TEXT,
    password            TEXT,
    password_changed_at BIGINT,
    totp                BYTEA,
    totp_step           BIGINT,
    recovery            TEXT,
    state               TEXT NOT NULL CHECK (state IN ('invited', 'active', 'disabled')),
    created_at          BIGINT NOT NULL,
    last_login_at       BIGINT,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX person_id ON person (id);
CREATE UNIQUE INDEX person_local ON person (local_key);
CREATE INDEX person_email ON person (email_key);
CREATE INDEX person_human ON person (human);

CREATE TABLE passkey (
    tenant_id     TEXT NOT NULL,
    id            TEXT NOT NULL,
    person_id     TEXT NOT NULL,
    name          TEXT NOT NULL,
    credential_id BYTEA NOT NULL,
    credential    TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    last_used_at  BIGINT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, person_id) REFERENCES person (tenant_id, id)
);
CREATE UNIQUE INDEX passkey_credential ON passkey (credential_id);
CREATE INDEX passkey_person ON passkey (tenant_id, person_id);

-- A way in by a link that is shown once: an invitation, or a new password.
CREATE TABLE ticket (
    tenant_id  TEXT NOT NULL,
    id         TEXT NOT NULL,
    person_id  TEXT NOT NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('invitation', 'reset')),
    hash       BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, person_id) REFERENCES person (tenant_id, id)
);
CREATE UNIQUE INDEX ticket_hash ON ticket (hash);

-- A role that the tenant made itself: permissions, actions, and the tags of the endpoints that it reaches, as JSON.
CREATE TABLE role (
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    id          TEXT NOT NULL,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    grants      TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX role_name ON role (tenant_id, name);

-- What a person is in a tenant. The role is the name of one that comes with Quell, or the id of one in the table above.
CREATE TABLE membership (
    tenant_id  TEXT NOT NULL REFERENCES tenant (id),
    person_id  TEXT NOT NULL REFERENCES person (id),
    role       TEXT NOT NULL,
    -- `manual`, or the id of the identity provider whose groups gave it.
    source     TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    granted_by TEXT NOT NULL,
    PRIMARY KEY (tenant_id, person_id, role, source)
);
CREATE INDEX membership_person ON membership (person_id, tenant_id);

CREATE TABLE session (
    tenant_id    TEXT NOT NULL REFERENCES tenant (id),
    id           TEXT NOT NULL,
    person_id    TEXT NOT NULL REFERENCES person (id),
    hash         BYTEA NOT NULL,
    kind         TEXT NOT NULL CHECK (kind IN ('cookie', 'token')),
    method       TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    remote       TEXT NOT NULL,
    agent        TEXT NOT NULL,
    revoked_at   BIGINT,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX session_hash ON session (hash);
CREATE INDEX session_person ON session (person_id, tenant_id, id);

-- A confirmation by the person, for one request: bound to the digest of its body, good once.
CREATE TABLE step_up (
    tenant_id  TEXT NOT NULL,
    id         TEXT NOT NULL,
    session_id TEXT NOT NULL,
    hash       BYTEA NOT NULL,
    request    BYTEA NOT NULL,
    method     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES session (tenant_id, id)
);
CREATE UNIQUE INDEX step_up_hash ON step_up (hash);

-- Single sign-on: a tenant's identity providers, and who their subjects are here.
CREATE TABLE identity_provider (
    tenant_id     TEXT NOT NULL REFERENCES tenant (id),
    id            TEXT NOT NULL,
    name          TEXT NOT NULL,
    issuer        TEXT NOT NULL,
    client_id     TEXT NOT NULL,
    client_secret BYTEA,
    settings      TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX identity_provider_name ON identity_provider (tenant_id, name);

CREATE TABLE identity (
    tenant_id     TEXT NOT NULL,
    provider_id   TEXT NOT NULL,
    subject       TEXT NOT NULL,
    person_id     TEXT NOT NULL REFERENCES person (id),
    created_at    BIGINT NOT NULL,
    last_login_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, provider_id, subject),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES identity_provider (tenant_id, id)
);

-- The first set-up closes itself: once this row stands, nothing opens it again.
CREATE TABLE setup (
    id        SMALLINT PRIMARY KEY CHECK (id = 1),
    closed_at BIGINT NOT NULL,
    closed_by TEXT NOT NULL
);

-- Whose program it is, and what of its role it may use (JSON; everything where absent).
ALTER TABLE api_key ADD COLUMN owner TEXT;
ALTER TABLE api_key ADD COLUMN scope TEXT;
