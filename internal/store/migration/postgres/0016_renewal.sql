-- +goose Up

-- When the auth centre is to be asked about the person again (0 = never), and what is kept to ask with, sealed by the key ring. Who
-- moves due on has the turn to ask.
ALTER TABLE session ADD COLUMN due BIGINT NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN tokens BYTEA;

-- What the session was begun with: the kind of browser, and the network that it was in.
ALTER TABLE session ADD COLUMN device TEXT COLLATE "C" NOT NULL DEFAULT '';
