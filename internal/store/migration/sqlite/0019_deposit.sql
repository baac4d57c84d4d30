-- +goose Up

-- What an auth centre gave to a sign-in that is verified and not over: it waits for a push, for a person's yes or for the other
-- host. Sealed by the key ring, and forgotten within minutes.
CREATE TABLE deposit (
    ref    TEXT    NOT NULL PRIMARY KEY,
    tokens BLOB    NOT NULL,
    until  INTEGER NOT NULL
) WITHOUT ROWID;
