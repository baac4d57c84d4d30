-- +goose Up

-- The pushes of one tenant, newest first.
CREATE INDEX journal_scope ON journal (scope, id);

-- The bodies that are still kept, for the day when they were kept long enough.
CREATE INDEX journal_body ON journal (received_at) WHERE body IS NOT NULL;
