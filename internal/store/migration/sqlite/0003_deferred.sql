-- +goose Up

-- Accepted messages that have not been applied: dated in the future, or held for a
-- person.
CREATE TABLE deferred (
    scope    INTEGER NOT NULL REFERENCES scope (id),
    journal  INTEGER NOT NULL,
    message  BLOB    NOT NULL, -- sealed with the scope's data key
    wait     INTEGER NOT NULL,
    due      INTEGER NOT NULL, -- 0: a person decides
    reason   TEXT    NOT NULL,
    content  BLOB    NOT NULL,
    rejected INTEGER NOT NULL CHECK (rejected IN (0, 1)),
    PRIMARY KEY (scope, journal)
) WITHOUT ROWID;
CREATE INDEX deferred_due ON deferred (due) WHERE due > 0;

-- How many departments were destroyed when, for the guard.
CREATE TABLE destroyed (
    scope  INTEGER NOT NULL REFERENCES scope (id),
    at     INTEGER NOT NULL,
    number INTEGER NOT NULL
);
CREATE INDEX destroyed_at ON destroyed (scope, at);
