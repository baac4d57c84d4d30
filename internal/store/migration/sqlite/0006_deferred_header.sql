-- +goose Up

-- What is asked of a waiting message at each push, so that the message stays sealed. ''
-- in rows of an older program.
ALTER TABLE deferred ADD COLUMN header BLOB NOT NULL DEFAULT X'';
