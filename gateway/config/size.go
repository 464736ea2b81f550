package config

import (
	"errors"
	"strconv"
	"strings"
)

// Size is a number of bytes, written plainly or as 64KiB, 64MiB, 1GiB.
type Size int64

var units = []struct {
	name  string
	bytes Size
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	wrong := errors.New("not a size; write bytes, or as 64KiB, 64MiB, 1GiB")
	digits, unit := string(text), Size(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(digits, u.name); ok {
			digits, unit = rest, u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > int64(1<<62/unit) || strings.HasPrefix(digits, "+") {
		return wrong
	}
	if n < 0 {
		return errors.New("is negative; write a size above 0, as 64MiB")
	}
	*s = Size(n) * unit
	return nil
}

// String writes the size with the largest unit that leaves no rest.
func (s Size) String() string {
	for _, u := range units {
		if s > 0 && s%u.bytes == 0 {
			return strconv.FormatInt(int64(s/u.bytes), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
