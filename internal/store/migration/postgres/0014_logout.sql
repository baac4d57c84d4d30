-- +goose Up

-- Digests of who signed in by the auth centre's own reckoning, and of its own session: a logout token names them.
ALTER TABLE session ADD COLUMN subject TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN provider_session TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX session_by_subject ON session (scope, subject) WHERE subject <> '';

-- Logout tokens that were obeyed; each counts once.
CREATE TABLE logout_token (
    token TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    until BIGINT NOT NULL
);
