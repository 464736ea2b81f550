package kind

import "testing"

func TestSeen(t *testing.T) {
	t.Parallel()
	var s Seen
	for _, c := range []struct {
		record int
		parts  []string
		first  int
		twice  bool
	}{
		{1, []string{"a", "b"}, 0, false},
		{2, []string{"ab", ""}, 0, false},
		{3, []string{"", "ab"}, 0, false},
		{4, []string{"a", "b"}, 1, true},
		{5, []string{"a", "b"}, 1, true},
		{6, []string{"a\x00b"}, 0, false},
	} {
		if first, twice := s.Before(c.record, c.parts...); first != c.first || twice != c.twice {
			t.Errorf("%d %q: %d %v, want %d %v", c.record, c.parts, first, twice, c.first, c.twice)
		}
	}
}
