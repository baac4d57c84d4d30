package sqlsink

import (
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"github.com/kitbridge/kitbridge/orgsync"
)

// Dialect names a kind of database.
type Dialect string

// The dialects. MySQL from 8.0.17, MariaDB from 10.5.
const (
	SQLite     Dialect = "sqlite"
	MySQL      Dialect = "mysql"
	MariaDB    Dialect = "mariadb"
	PostgreSQL Dialect = "postgres"
)

// dialect is what differs between the databases.
type dialect struct {
	name         Dialect
	quote        string
	key          string // type of a column that is compared byte for byte
	keyCollation string // its collation as the catalogue tells it; "" is not checked
	moment       string
	path         string
	pathDefault  string
	tableOptions string
	indexInline  bool
	numbered     bool // parameters are $1, $2, … instead of ?
	lock         string
	// inBefore and inAfter turn a list of many keys into what the database looks up by
	// its primary key even while it knows nothing about how full a table is.
	inBefore, inAfter string

	isolation  sql.IsolationLevel
	onConflict bool   // ON CONFLICT … DO UPDATE instead of ON DUPLICATE KEY UPDATE
	columns    string // lists table, column and collation of the tables in the IN list that follows
}

const informationSchema = "SELECT table_name, column_name, COALESCE(collation_name, '') FROM information_schema.columns WHERE table_schema = "

func dialectNamed(name Dialect) (dialect, error) {
	switch name {
	case SQLite:
		return dialect{
			name: name, quote: `"`, key: "VARCHAR(64)", moment: "DATETIME",
			path: "TEXT", pathDefault: " DEFAULT ''", onConflict: true,
			columns: "SELECT m.name, p.name, '' FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS p WHERE m.type = 'table' AND m.name",
		}, nil
	case MySQL:
		return mysqlDialect(name, "utf8mb4_0900_bin"), nil
	case MariaDB:
		return mysqlDialect(name, "utf8mb4_nopad_bin"), nil
	case PostgreSQL:
		return dialect{
			name: name, quote: `"`, key: `VARCHAR(64) COLLATE "C"`, moment: "TIMESTAMP(3)",
			path: "TEXT", pathDefault: " DEFAULT ''", onConflict: true,
			numbered: true, lock: " FOR UPDATE", isolation: sql.LevelReadCommitted,
			inBefore: "SELECT unnest(ARRAY[", inAfter: "]::varchar[])",
			columns: informationSchema + "current_schema() AND table_name",
		}, nil
	default:
		return dialect{}, fmt.Errorf("%q is no dialect; use %s, %s, %s or %s: %w",
			name, SQLite, MySQL, MariaDB, PostgreSQL, orgsync.ErrInvalid)
	}
}

func mysqlDialect(name Dialect, collation string) dialect {
	return dialect{
		name: name, quote: "`",
		key:          "VARCHAR(64) CHARACTER SET utf8mb4 COLLATE " + collation,
		keyCollation: collation,
		moment:       "DATETIME(3)",
		path:         "TEXT CHARACTER SET utf8mb4 COLLATE " + collation, // takes no literal default
		tableOptions: " ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4",
		indexInline:  true,
		lock:         " FOR UPDATE",
		// The snapshot is taken by the first plain SELECT, which comes after the lock.
		isolation: sql.LevelRepeatableRead,
		columns:   informationSchema + "DATABASE() AND table_name",
	}
}

func (d dialect) columnType(c column) string {
	switch c.kind {
	case keyKind:
		return d.key
	case textKind:
		return "VARCHAR(" + strconv.Itoa(c.size) + ")"
	case pathKind:
		return d.path
	case flagKind:
		return "BOOLEAN"
	case intKind:
		return "INTEGER"
	case bigKind:
		return "BIGINT"
	case dateKind:
		return "DATE"
	default:
		return d.moment
	}
}

// quoted makes a name safe from reserved words. Names come from this package and from
// the checked prefix only.
func (d dialect) quoted(name string) string { return d.quote + name + d.quote }

// bind writes the parameters the way the database wants them. No text of ours holds a
// question mark that is not one.
func (d dialect) bind(query string) string {
	if !d.numbered {
		return query
	}
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("$" + strconv.Itoa(n))
		query = after
	}
}

// marks is n parameters in brackets.
func marks(n int) string { return "(" + strings.TrimSuffix(strings.Repeat("?, ", n), ", ") + ")" }
