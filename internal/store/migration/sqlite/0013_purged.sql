-- +goose Up

-- Of a tenant that was purged nothing is known but the versions that make older pushes void.
ALTER TABLE tenant ADD COLUMN purged INTEGER NOT NULL DEFAULT 0 CHECK (purged IN (0, 1));
