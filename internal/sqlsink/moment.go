package sqlsink

import (
	"database/sql/driver"
	"fmt"
	"time"
)

// A moment is a time in UTC to the millisecond, written the way all the databases read
// it; empty is NULL. Texts carry no time zone, so no driver can shift them.
type moment string

// A date is a day, 2006-01-02; empty is NULL.
type date string

const (
	momentLayout = "2006-01-02 15:04:05.000"
	dateLayout   = time.DateOnly
)

func momentOf(t time.Time) moment {
	if t.IsZero() {
		return ""
	}
	return moment(t.UTC().Format(momentLayout))
}

// Value gives the database the text, or NULL.
func (m moment) Value() (driver.Value, error) { return textOrNull(string(m)), nil }

// Scan takes what a driver makes of a column of times.
func (m *moment) Scan(src any) error {
	text, err := scanTime(src, momentLayout)
	*m = moment(text)
	return err
}

// Value gives the database the text, or NULL.
func (d date) Value() (driver.Value, error) { return textOrNull(string(d)), nil }

// Scan takes what a driver makes of a column of days.
func (d *date) Scan(src any) error {
	text, err := scanTime(src, dateLayout)
	*d = date(text)
	return err
}

func textOrNull(text string) driver.Value {
	if text == "" {
		return nil
	}
	return text
}

func scanTime(src any, layout string) (string, error) {
	switch v := src.(type) {
	case nil:
		return "", nil
	case time.Time:
		return v.UTC().Format(layout), nil
	case string:
		return v, nil
	case []byte:
		return string(v), nil
	default:
		return "", fmt.Errorf("a column of times holds a %T", src)
	}
}

// parseDate reads the ways in which buyers write the day of entry; the marketplace's
// access guide, authSync, shows 2022-11-9.
func parseDate(text string) (date, bool) {
	for _, layout := range []string{"2006-1-2", "2006/1/2", "20060102"} {
		// Before the year 1000 it is a slip of the pen, and MySQL does not promise to keep it.
		if t, err := time.Parse(layout, text); err == nil && t.Year() >= 1000 {
			return date(t.Format(dateLayout)), true
		}
	}
	return "", false
}
