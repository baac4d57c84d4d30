-- +goose Up

-- When all of a tenant was compared with the sink last, and how many changes would have made it equal.
ALTER TABLE lane ADD COLUMN compared INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lane ADD COLUMN drift INTEGER NOT NULL DEFAULT 0;
