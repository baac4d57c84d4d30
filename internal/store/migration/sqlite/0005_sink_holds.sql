-- +goose Up

-- What a sink was to hold and where, as of its last start.
ALTER TABLE sink ADD COLUMN holds TEXT NOT NULL DEFAULT '';
