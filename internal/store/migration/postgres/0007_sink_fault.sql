-- +goose Up

-- Why a sink did not answer the process that asked it last, and since when; '' while it does.
ALTER TABLE sink ADD COLUMN fault TEXT NOT NULL DEFAULT '';
ALTER TABLE sink ADD COLUMN fault_since BIGINT NOT NULL DEFAULT 0;
