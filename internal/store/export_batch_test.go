package store

// KeptPersons are the numbers and names that one statement of PostgreSQL would write for
// rows of users with these.
func KeptPersons(ids []int64, names []string) (any, any, error) {
	var values []any
	for n, id := range ids {
		values = append(values, id, int64(1), names[n], int64(1), "", []byte{}, []byte{})
	}
	args, err := updatePersons(true).arrayArgs(values)
	if err != nil {
		return nil, nil, err
	}
	return args[0], args[2], nil
}
