package money

import (
	"errors"
	"math"
	"testing"
)

func TestHryvnias(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int64{
		"0": 0, "0.01": 1, "0.1": 10, "12": 1200, "12.5": 1250, "12500.00": 1250000, "007.00": 700, "92233720368547758.07": math.MaxInt64,
	} {
		if got, err := Hryvnias(s); err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", s, got, err, want)
		}
	}
	for s, want := range map[string]error{
		"": ErrSyntax, "NaN": ErrSyntax, "1E5": ErrSyntax, "1e5": ErrSyntax, "***": ErrSyntax, "1,50": ErrSyntax, "-1.00": ErrSyntax, "+1": ErrSyntax,
		"1.234": ErrPrecision, "1.": ErrSyntax, ".5": ErrSyntax, "1.2.3": ErrSyntax, " 1": ErrSyntax, "1 000": ErrSyntax, "0x10": ErrSyntax, "١": ErrSyntax,
		"92233720368547758.08": ErrRange, "99999999999999999999": ErrRange, "1.-1": ErrSyntax,
	} {
		if _, err := Hryvnias(s); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", s, err, want)
		}
	}
}

func TestFormat(t *testing.T) {
	t.Parallel()
	for v, want := range map[int64]string{0: "0.00", 1: "0.01", 99: "0.99", 100: "1.00", -5: "-0.05", math.MaxInt64: "92233720368547758.07", math.MinInt64: "-92233720368547758.08"} {
		if got := Format(v); got != want {
			t.Errorf("%d: %s, want %s", v, got, want)
		}
	}
}

func FuzzHryvnias(f *testing.F) {
	for _, s := range []string{"1.50", "NaN", "1E5", "***", "-1", "1.234"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := Hryvnias(s)
		if err != nil {
			return
		}
		if again, err := Hryvnias(Format(v)); err != nil || again != v {
			t.Errorf("%q: %d, again %d, %v", s, v, again, err)
		}
	})
}
