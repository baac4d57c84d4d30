package orgsync

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"
)

// Version places a change in the total order of everything ever said. It is compared
// with < and > (byte order); the zero value is older than every change.
//
// It is made of (time, timeStamp, rank, content hash, position in its list). Times are
// milliseconds since 1970 UTC. The content hash decides between different statements
// of the same moment the same way everywhere, so that arrival order never matters.
type Version string

// Rank orders statements of the same moment: less access is newer.
type Rank uint8

// The ranks, oldest first.
const (
	RankFullList Rank = iota
	RankAdd
	RankModify
	RankRevoke
	RankRemove
	RankTenantEnd
)

const (
	hashBytes    = 8
	versionBytes = 8 + 8 + 1 + hashBytes + 4
)

// NewVersion builds a version. Times before 1970 count as 1970.
func NewVersion(at, stamp time.Time, rank Rank, content []byte, position int) Version {
	sum := sha256.Sum256(content)
	return makeVersion(millis(at), millis(stamp), rank, sum[:hashBytes], position)
}

func millis(t time.Time) uint64 { return uint64(max(t.UnixMilli(), 0)) }

func makeVersion(at, stamp uint64, rank Rank, hash []byte, position int) Version {
	var b [versionBytes]byte
	binary.BigEndian.PutUint64(b[0:], at)
	binary.BigEndian.PutUint64(b[8:], stamp)
	b[16] = byte(rank)
	copy(b[17:17+hashBytes], hash)
	binary.BigEndian.PutUint32(b[17+hashBytes:], uint32(position)) //nolint:gosec // a list is bounded by the body that carried it
	return Version(b[:])
}

// ParseVersion checks bytes that a store gives back.
func ParseVersion(b []byte) (Version, error) {
	if len(b) != 0 && len(b) != versionBytes {
		return "", fmt.Errorf("version of %d bytes, want %d: %w", len(b), versionBytes, ErrInvalid)
	}
	return Version(b), nil
}

// Moment is the part of a version that the sender dated: (time, timeStamp).
type Moment string

// Moment returns the sender's dates; it is empty for the zero version.
func (v Version) Moment() Moment {
	if v == "" {
		return ""
	}
	return Moment(v[:16])
}

// Time is when the statement was made, by its own word; zero for the zero version.
func (v Version) Time() time.Time {
	if v == "" {
		return time.Time{}
	}
	return time.UnixMilli(v.Millis()).UTC()
}

// Millis is Time in milliseconds since 1970 UTC, 0 for the zero version.
func (v Version) Millis() int64 {
	if v == "" {
		return 0
	}
	return int64(binary.BigEndian.Uint64([]byte(v[:8]))) //nolint:gosec // it was an int64 when it was written
}

// Rank returns the rank, RankFullList for the zero version.
func (v Version) Rank() Rank {
	if v == "" {
		return RankFullList
	}
	return Rank(v[16])
}

// at returns the same version at another position of its list.
func (v Version) at(position int) Version {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(position)) //nolint:gosec // as in makeVersion
	return v[:versionBytes-4] + Version(b[:])
}
