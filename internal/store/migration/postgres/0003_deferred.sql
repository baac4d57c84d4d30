-- +goose Up

-- Accepted messages that have not been applied: dated in the future, or held for a
-- person.
CREATE TABLE deferred (
    scope    BIGINT NOT NULL REFERENCES scope (id),
    journal  BIGINT NOT NULL,
    message  BYTEA NOT NULL, -- sealed with the scope's data key
    wait     BIGINT NOT NULL,
    due      BIGINT NOT NULL, -- 0: a person decides
    reason   TEXT COLLATE "C" NOT NULL,
    content  BYTEA NOT NULL,
    rejected SMALLINT NOT NULL CHECK (rejected IN (0, 1)),
    PRIMARY KEY (scope, journal)
);
CREATE INDEX deferred_due ON deferred (due) WHERE due > 0;

-- How many departments were destroyed when, for the guard.
CREATE TABLE destroyed (
    scope  BIGINT NOT NULL REFERENCES scope (id),
    at     BIGINT NOT NULL,
    number BIGINT NOT NULL
);
CREATE INDEX destroyed_at ON destroyed (scope, at);
