package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// day is what "d" means in a duration: 24 hours, whatever the calendar says.
const day = 24 * time.Hour

// ByteSize is a number of bytes.
type ByteSize int64

// parseDuration reads a duration such as 60s, 1h30m or 15d; days come first and
// may be followed by smaller units. Negative ones are refused.
func parseDuration(text string) (time.Duration, error) {
	days, rest, found := strings.Cut(text, "d")
	if !found {
		days, rest = "0", text
	}
	n, err := strconv.ParseUint(days, 10, 32)
	if err != nil || int64(n) > int64(math.MaxInt64/day) {
		return 0, errDuration(text)
	}
	d := time.Duration(n) * day
	if rest == "" {
		if !found {
			return 0, errDuration(text)
		}
		return d, nil
	}
	small, err := time.ParseDuration(rest)
	if err != nil || small < 0 || small > math.MaxInt64-d || rest[0] == '+' {
		return 0, errDuration(text)
	}
	return d + small, nil
}

func errDuration(text string) error {
	return fmt.Errorf("%q is no duration; write for example 60s, 8h or 15d", text)
}

// suggestUnit completes a number by the unit that the key's default is told in: who writes 30
// where 30d is the default does not mean seconds.
func suggestUnit(number string, byDefault time.Duration) string {
	unit := "s"
	switch {
	case byDefault <= 0:
		return "write s, m, h or d behind it, for example 60s, 8h or 15d"
	case byDefault > day && byDefault%day == 0:
		unit = "d"
	case byDefault%time.Hour == 0:
		unit = "h"
	case byDefault > time.Minute && byDefault%time.Minute == 0:
		unit = "m"
	}
	return fmt.Sprintf("write for example %s%s", number, unit)
}

// parseByteSize reads a size such as 5MiB, 500KB or 1024B.
func parseByteSize(text string) (ByteSize, error) {
	digits := strings.TrimRight(text, "BKMGikb")
	unit, known := map[string]int64{
		"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
	}[text[len(digits):]]
	n, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case err == nil && text == digits:
		return 0, fmt.Errorf("%q has no unit; write for example %sB or 5MiB", text, text)
	case err != nil || !known || n < 0 || n > math.MaxInt64/unit:
		return 0, fmt.Errorf("%q is no size; write for example 5MiB, 500KB or 1024B", text)
	}
	return ByteSize(n * unit), nil
}

// parseInt reads a plain decimal number. YAML's other spellings (0x10, 1_000,
// 010 for eight) are refused, since people disagree on what they mean.
func parseInt(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("%s is too large", text)
	}
	if err != nil || strconv.Itoa(n) != text {
		return 0, fmt.Errorf("%q is no plain decimal number; write for example 4", text)
	}
	return n, nil
}
