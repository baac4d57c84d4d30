-- +goose Up

-- Which word of the configuration a session rests on, where no push has named its tenant.
ALTER TABLE session ADD COLUMN authority TEXT NOT NULL DEFAULT '';
