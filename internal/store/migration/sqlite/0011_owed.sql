-- +goose Up

-- Many keys that one push made dirty at once, as one row for each lane. They become rows of
-- dirty when they fail, or when there are many such rows.
CREATE TABLE owed (
    id      INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order in which they came
    lane    INTEGER NOT NULL REFERENCES lane (id) ON DELETE CASCADE,
    kind    INTEGER NOT NULL,
    urgency INTEGER NOT NULL,
    since   INTEGER NOT NULL,
    number  INTEGER NOT NULL, -- of items
    items   TEXT    NOT NULL  -- a JSON array of the keys' names
);
CREATE INDEX owed_lane ON owed (lane, urgency, id);
