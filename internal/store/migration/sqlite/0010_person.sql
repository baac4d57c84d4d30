-- +goose Up

-- A user's registers and their projection are one row: a push reads and writes both. The
-- rows keep the order in which they came, because user names come in any order, and a push
-- of 500 would otherwise touch 500 pages; a user who is known is found by the number.
CREATE TABLE person (
    id        INTEGER PRIMARY KEY,
    scope     INTEGER NOT NULL REFERENCES scope (id),
    user_name TEXT    NOT NULL,
    status    INTEGER NOT NULL,
    org_code  TEXT    NOT NULL,
    data      BLOB    NOT NULL, -- the projection; empty while there is none
    grants    BLOB    NOT NULL, -- the registers; empty while there are none
    UNIQUE (scope, user_name)
);

-- The grants of an older program become a list of [instance, app, data in hexadecimal].
INSERT INTO person (scope, user_name, status, org_code, data, grants)
SELECT n.scope, n.user_name, COALESCE(s.status, 0), COALESCE(s.org_code, ''), COALESCE(s.data, X''),
    COALESCE(CAST(NULLIF((SELECT json_group_array(json_array(g.instance, g.app, hex(g.data))) FROM user_grant g
        WHERE g.scope = n.scope AND g.user_name = n.user_name), '[]') AS BLOB), X'')
FROM (SELECT scope, user_name FROM user_state UNION SELECT scope, user_name FROM user_grant) n
LEFT JOIN user_state s ON s.scope = n.scope AND s.user_name = n.user_name;

CREATE INDEX person_member ON person (scope, org_code, status);
DROP TABLE user_grant;
DROP TABLE user_state;
