-- +goose Up

-- Numbers such as uidNumber that users of any tenant were given in a directory, from before they stand in it until the
-- entry is forgotten.
CREATE TABLE allotted (
    sink      TEXT    NOT NULL,
    attribute TEXT    NOT NULL,
    number    INTEGER NOT NULL,
    scope     INTEGER NOT NULL REFERENCES scope (id),
    name      TEXT    NOT NULL,
    PRIMARY KEY (sink, attribute, number)
) WITHOUT ROWID;
CREATE UNIQUE INDEX allotted_user ON allotted (sink, scope, name, attribute);

-- Until when a process has taken it upon itself to compare the tenant with the sink; 0: none has.
ALTER TABLE lane ADD COLUMN comparing INTEGER NOT NULL DEFAULT 0;
