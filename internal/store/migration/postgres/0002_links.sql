-- +goose Up

-- Who this bridge is, so that two bridges do not undo each other's work in a sink.
CREATE TABLE bridge (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY
);
INSERT INTO bridge (id) VALUES (replace(CAST(gen_random_uuid() AS TEXT), '-', ''));

-- Entries of directories that are ours. They outlive the configuration: a sink that is
-- taken out and put back still owns what it made.
CREATE TABLE link (
    sink  TEXT COLLATE "C" NOT NULL,
    scope BIGINT NOT NULL REFERENCES scope (id),
    kind  TEXT COLLATE "C" NOT NULL,
    name  TEXT COLLATE "C" NOT NULL,
    uuid  TEXT COLLATE "C" NOT NULL, -- '' while the entry is about to be added
    dn    TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (sink, scope, kind, name)
);
