-- +goose Up

-- Numbers such as uidNumber that users of any tenant were given in a directory, from before they stand in it until the
-- entry is forgotten.
CREATE TABLE allotted (
    sink      TEXT COLLATE "C" NOT NULL,
    attribute TEXT COLLATE "C" NOT NULL,
    number    BIGINT NOT NULL,
    scope     BIGINT NOT NULL REFERENCES scope (id),
    name      TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (sink, attribute, number)
);
CREATE UNIQUE INDEX allotted_user ON allotted (sink, scope, name, attribute);

-- Until when a process has taken it upon itself to compare the tenant with the sink; 0: none has.
ALTER TABLE lane ADD COLUMN comparing BIGINT NOT NULL DEFAULT 0;
