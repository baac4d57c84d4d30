-- +goose Up

-- How often something was changed that sinks hold. Never less than it was.
ALTER TABLE scope ADD COLUMN changes INTEGER NOT NULL DEFAULT 0;

-- Starts of the bridge that changed anything, in their order: two copies of one database
-- that are used apart differ here.
CREATE TABLE era (
    number  INTEGER PRIMARY KEY,
    id      TEXT    NOT NULL UNIQUE,
    changes INTEGER NOT NULL -- of all scopes, before it began
);

-- What we know of a sink's deed: the furthest mark found there; why the sink is closed to
-- us and since when ('' and 0: it is not); whether we took it over from somebody.
ALTER TABLE sink ADD COLUMN seen      TEXT    NOT NULL DEFAULT '';
ALTER TABLE sink ADD COLUMN closed    TEXT    NOT NULL DEFAULT '';
ALTER TABLE sink ADD COLUMN closed_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sink ADD COLUMN taken     INTEGER NOT NULL DEFAULT 0;

-- When this database was found to be a copy put in another's place.
CREATE TABLE restoration (
    number     INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    last_push  INTEGER NOT NULL, -- the newest that it held then; 0: none
    found_by   TEXT    NOT NULL,
    settled_at INTEGER NOT NULL DEFAULT 0 -- 0: what is missing may not have come again
);

-- When this file was written as a backup; 0: it is no backup.
ALTER TABLE bridge ADD COLUMN backup_at INTEGER NOT NULL DEFAULT 0;
