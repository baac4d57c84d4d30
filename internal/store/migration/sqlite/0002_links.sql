-- +goose Up

-- Who this bridge is, so that two bridges do not undo each other's work in a sink.
CREATE TABLE bridge (
    id TEXT NOT NULL PRIMARY KEY
) WITHOUT ROWID;
INSERT INTO bridge (id) VALUES (lower(hex(randomblob(16))));

-- Entries of directories that are ours. They outlive the configuration: a sink that is
-- taken out and put back still owns what it made.
CREATE TABLE link (
    sink  TEXT    NOT NULL,
    scope INTEGER NOT NULL REFERENCES scope (id),
    kind  TEXT    NOT NULL,
    name  TEXT    NOT NULL,
    uuid  TEXT    NOT NULL, -- '' while the entry is about to be added
    dn    TEXT    NOT NULL,
    PRIMARY KEY (sink, scope, kind, name)
) WITHOUT ROWID;
