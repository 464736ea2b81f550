// Package money reads and writes sums in one exact way: kopecks in an int64. It
// knows no floating point, exponent, sign, comma or rounding.
package money

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Why a sum is refused.
var (
	ErrSyntax    = errors.New("not a sum: want digits, and at most a point and two digits")
	ErrPrecision = errors.New("more than two digits after the point")
	ErrRange     = errors.New("sum too large")
)

// Hryvnias reads hryvnias with an optional point and one or two digits of
// kopecks ("12", "12.5", "12.50") and returns kopecks.
func Hryvnias(s string) (int64, error) {
	whole, fraction, point := strings.Cut(s, ".")
	if !digits(whole) || (point && !digits(fraction)) {
		return 0, ErrSyntax
	}
	if len(fraction) > 2 {
		return 0, ErrPrecision
	}
	return Kopecks(whole + (fraction + "00")[:2])
}

// Kopecks reads a whole number of kopecks.
func Kopecks(s string) (int64, error) {
	if !digits(s) {
		return 0, ErrSyntax
	}
	var v int64
	for i := range len(s) {
		d := int64(s[i] - '0')
		if v > (math.MaxInt64-d)/10 {
			return 0, ErrRange
		}
		v = v*10 + d
	}
	return v, nil
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// Format writes kopecks as hryvnias with a point and two digits.
func Format(kopecks int64) string {
	sign := ""
	u := uint64(kopecks)
	if kopecks < 0 {
		sign, u = "-", -u
	}
	s := strconv.FormatUint(u, 10)
	if len(s) < 3 {
		s = strings.Repeat("0", 3-len(s)) + s
	}
	return sign + s[:len(s)-2] + "." + s[len(s)-2:]
}
