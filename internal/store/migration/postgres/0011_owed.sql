-- +goose Up

-- Many keys that one push made dirty at once, as one row for each lane. They become rows of
-- dirty when they fail, or when there are many such rows.
CREATE TABLE owed (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- in the order in which they came
    lane    BIGINT NOT NULL REFERENCES lane (id) ON DELETE CASCADE,
    kind    BIGINT NOT NULL,
    urgency BIGINT NOT NULL,
    since   BIGINT NOT NULL,
    number  BIGINT NOT NULL, -- of items
    items   TEXT   NOT NULL  -- a JSON array of the keys' names
);
CREATE INDEX owed_lane ON owed (lane, urgency, id);
