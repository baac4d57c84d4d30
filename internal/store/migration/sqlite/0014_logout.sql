-- +goose Up

-- Digests of who signed in by the auth centre's own reckoning, and of its own session: a logout token names them.
ALTER TABLE session ADD COLUMN subject TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN provider_session TEXT NOT NULL DEFAULT '';
CREATE INDEX session_subject ON session (scope, subject) WHERE subject <> '';

-- Logout tokens that were obeyed; each counts once.
CREATE TABLE logout_token (
    token TEXT    NOT NULL PRIMARY KEY,
    until INTEGER NOT NULL
) WITHOUT ROWID;
