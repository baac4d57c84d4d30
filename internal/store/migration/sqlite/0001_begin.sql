-- +goose Up

-- Versions and moments are compared byte for byte (package orgsync); times are
-- milliseconds since 1970 UTC; whatever a stranger may fill with any bytes is a BLOB.

-- A scope is a tenant in a realm (0 production, 1 test). Every other row belongs to one,
-- so the realms share nothing.
CREATE TABLE scope (
    id       INTEGER PRIMARY KEY,
    realm    INTEGER NOT NULL CHECK (realm IN (0, 1)),
    tenant   TEXT    NOT NULL,
    data_key BLOB, -- seals the bodies of the scope's pushes; itself sealed by the key ring
    applied  INTEGER NOT NULL DEFAULT 0,
    stale    INTEGER NOT NULL DEFAULT 0,
    parked   INTEGER NOT NULL DEFAULT 0,
    held     INTEGER NOT NULL DEFAULT 0,
    refused  INTEGER NOT NULL DEFAULT 0,
    UNIQUE (realm, tenant)
);

CREATE TABLE ring_key (
    fingerprint TEXT    NOT NULL PRIMARY KEY,
    seen_at     INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE journal (
    id          INTEGER PRIMARY KEY,
    scope       INTEGER NOT NULL REFERENCES scope (id),
    kind        INTEGER NOT NULL,
    nonce       BLOB    NOT NULL,
    digest      BLOB    NOT NULL CHECK (length(digest) = 32),
    body        BLOB, -- sealed with the scope's data key
    signed_at   INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    candidate   TEXT    NOT NULL,
    refusal     TEXT    NOT NULL,
    answer      INTEGER NOT NULL,
    applied     INTEGER NOT NULL DEFAULT 0,
    stale       INTEGER NOT NULL DEFAULT 0,
    parked      INTEGER NOT NULL DEFAULT 0,
    held        INTEGER NOT NULL DEFAULT 0,
    refused     INTEGER NOT NULL DEFAULT 0,
    UNIQUE (kind, nonce)
);

CREATE TABLE tenant (
    scope      INTEGER NOT NULL PRIMARY KEY REFERENCES scope (id),
    code       TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    domain     TEXT    NOT NULL,
    host       TEXT    NOT NULL, -- of the auth centre; '' if domain is none
    search     TEXT    NOT NULL, -- name and code, case folded
    active     INTEGER NOT NULL CHECK (active IN (0, 1)),
    announced  INTEGER NOT NULL CHECK (announced IN (0, 1)),
    removed_at INTEGER NOT NULL  -- 0 while active
);
CREATE INDEX tenant_code ON tenant (code);
CREATE INDEX tenant_host ON tenant (host);

CREATE TABLE instance (
    scope    INTEGER NOT NULL REFERENCES scope (id),
    instance TEXT    NOT NULL,
    data     BLOB    NOT NULL,
    PRIMARY KEY (scope, instance)
) WITHOUT ROWID;

CREATE TABLE credential (
    scope         INTEGER NOT NULL REFERENCES scope (id),
    instance      TEXT    NOT NULL,
    app           TEXT    NOT NULL,
    version       BLOB    NOT NULL,
    unbound       INTEGER NOT NULL CHECK (unbound IN (0, 1)),
    client_id     TEXT    NOT NULL,
    client_secret BLOB    NOT NULL, -- sealed by the key ring
    mark          BLOB    NOT NULL,
    PRIMARY KEY (scope, instance, app)
) WITHOUT ROWID;

-- The two great tables keep their rows in the order in which they came: user names come in
-- any order, and a push of 500 would otherwise touch 500 pages of each.
CREATE TABLE user_grant (
    scope     INTEGER NOT NULL REFERENCES scope (id),
    user_name TEXT    NOT NULL,
    instance  TEXT    NOT NULL,
    app       TEXT    NOT NULL,
    data      BLOB    NOT NULL,
    PRIMARY KEY (scope, user_name, instance, app)
);

CREATE TABLE user_state (
    scope     INTEGER NOT NULL REFERENCES scope (id),
    user_name TEXT    NOT NULL,
    status    INTEGER NOT NULL,
    org_code  TEXT    NOT NULL,
    data      BLOB    NOT NULL,
    PRIMARY KEY (scope, user_name)
);
CREATE INDEX user_state_member ON user_state (scope, org_code, status);

CREATE TABLE assertion (
    scope    INTEGER NOT NULL REFERENCES scope (id),
    code     TEXT    NOT NULL,
    instance TEXT    NOT NULL,
    version  BLOB    NOT NULL,
    name     TEXT    NOT NULL,
    parent   TEXT    NOT NULL,
    journal  INTEGER NOT NULL,
    PRIMARY KEY (scope, code, instance)
) WITHOUT ROWID;

CREATE TABLE department (
    scope   INTEGER NOT NULL REFERENCES scope (id),
    code    TEXT    NOT NULL,
    denied  BLOB    NOT NULL,
    live    INTEGER NOT NULL CHECK (live IN (0, 1)),
    name    TEXT    NOT NULL,
    parent  TEXT    NOT NULL,
    journal INTEGER NOT NULL,
    placed  INTEGER NOT NULL CHECK (placed IN (0, 1)),
    reason  TEXT    NOT NULL,
    PRIMARY KEY (scope, code)
) WITHOUT ROWID;
CREATE INDEX department_parent ON department (scope, parent, live);

CREATE TABLE parked (
    scope    INTEGER NOT NULL REFERENCES scope (id),
    id       TEXT    NOT NULL,
    journal  INTEGER NOT NULL,
    version  BLOB    NOT NULL,
    kind     INTEGER NOT NULL,
    item     BLOB    NOT NULL, -- a user name or department code as sent
    instance BLOB    NOT NULL,
    reason   TEXT    NOT NULL,
    PRIMARY KEY (scope, id)
) WITHOUT ROWID;

CREATE TABLE sink (
    id   INTEGER PRIMARY KEY,
    name TEXT    NOT NULL UNIQUE
);

-- What one sink is owed for one tenant. Only production has sinks.
CREATE TABLE lane (
    id          INTEGER PRIMARY KEY,
    sink        INTEGER NOT NULL REFERENCES sink (id) ON DELETE CASCADE,
    scope       INTEGER NOT NULL REFERENCES scope (id),
    due         INTEGER NOT NULL, -- no key is due before
    lease       INTEGER NOT NULL, -- number of the last claim; the smallest waited longest
    lease_until INTEGER NOT NULL, -- 0: nobody works at it
    UNIQUE (sink, scope)
);
CREATE INDEX lane_scope ON lane (scope);

CREATE TABLE dirty (
    lane     INTEGER NOT NULL REFERENCES lane (id) ON DELETE CASCADE,
    kind     INTEGER NOT NULL,
    item     TEXT    NOT NULL,
    urgency  INTEGER NOT NULL,
    next_try INTEGER NOT NULL, -- 0: at once; 9223372036854775807: never, the key is dead
    revision INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    since    INTEGER NOT NULL, -- owed since
    reason   TEXT    NOT NULL, -- why the last try failed
    PRIMARY KEY (lane, kind, item)
) WITHOUT ROWID;
CREATE INDEX dirty_due ON dirty (lane, urgency, next_try);

-- What a sink would not take of keys that it holds.
CREATE TABLE warning (
    lane INTEGER NOT NULL REFERENCES lane (id) ON DELETE CASCADE,
    kind INTEGER NOT NULL,
    item TEXT    NOT NULL,
    text TEXT    NOT NULL,
    PRIMARY KEY (lane, kind, item)
) WITHOUT ROWID;

CREATE TABLE sequence (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO sequence (name, value) VALUES ('lease', 0);

CREATE TABLE session (
    id        BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 32), -- SHA-256 of the session id
    scope     INTEGER NOT NULL REFERENCES scope (id),
    app       TEXT    NOT NULL,
    user_name TEXT    NOT NULL,
    expires   INTEGER NOT NULL,
    idle      INTEGER NOT NULL,
    touched   INTEGER NOT NULL,
    data      BLOB    NOT NULL
) WITHOUT ROWID;
CREATE INDEX session_user ON session (scope, user_name);
