package push

// TableRow is a row of the result table, for the test that holds it against the page.
type TableRow struct {
	Result Result
	When   string
}

// TableRows returns the result table.
func TableRows() []TableRow {
	var rows []TableRow
	for _, r := range table() {
		rows = append(rows, TableRow{r.result, r.when})
	}
	return rows
}

// BodySign returns the header Body-Sign of an answer.
func BodySign(key string, body []byte) string { return bodySign(key, body) }

// Candidates lists them all, for the test that holds them against the page.
func Candidates() []Candidate {
	return []Candidate{
		CandidateRaw, CandidateSorted, CandidateSortedNulls, CandidateDeepSorted, CandidateDescending,
		CandidateBlanksDropped, CandidateBlanksKept,
	}
}
