package store

import "modernc.org/sqlite"

// PagesInMemory is how many bytes of pages SQLite's writer keeps.
func (s *Store) PagesInMemory() (bytes int, err error) {
	w := s.writer.(watched).transactor.(*writer)
	<-w.token
	defer func() { w.token <- struct{}{} }()
	err = w.conn.Raw(func(c any) error {
		bytes, _, err = c.(sqlite.DBStatus).Status(sqlite.DBStatusCacheUsed, false)
		return err
	})
	return bytes, err
}
