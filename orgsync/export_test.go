package orgsync

// VersionOf is the version of the message's nth element, counted from 0.
func VersionOf(m Message, n int) Version { return m.version().at(n + 1) }

// FloorOf is the version of the message itself.
func FloorOf(m Message) Version { return m.version() }

// NextSlice is the decision how many keys to take next.
var NextSlice = nextSlice

// The bounds of a slice.
const (
	SliceTime  = sliceTime
	LeastSlice = leastSlice
)
