package formats

import (
	"encoding/json"
	"testing"
	"time"
)

func TestSeverityText(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(Finding{Rule: "X", Severity: Warning})
	if err != nil || string(b) != `{"rule":"X","severity":"warning","message":{"uk":"","en":""}}` {
		t.Errorf("%s, %v", b, err)
	}
	var f Finding
	if err := json.Unmarshal([]byte(`{"severity":"info"}`), &f); err != nil || f.Severity != Info {
		t.Errorf("%v, %v", f, err)
	}
	if err := json.Unmarshal([]byte(`{"severity":"fatal"}`), &f); err == nil || f.Severity != Error {
		t.Errorf("%v, %v", f, err)
	}
	if Severity(9).String() != "error" {
		t.Error("an unknown severity is not an error")
	}
}

func TestKyivDate(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"2026-01-15T21:59:59Z": "2026-01-15", "2026-01-15T22:00:00Z": "2026-01-16",
		"2026-07-01T20:59:59Z": "2026-07-01", "2026-07-01T21:00:00Z": "2026-07-02",
		"2026-03-28T21:30:00Z": "2026-03-28", "2026-03-29T21:30:00Z": "2026-03-30", // summer time begins on the 29th
		"2026-10-24T21:30:00Z": "2026-10-25", "2026-10-25T21:30:00Z": "2026-10-25", // and ends on the 25th
		"2025-12-31T23:00:00+02:00": "2025-12-31",
	} {
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		if got := KyivDate(at); got != want {
			t.Errorf("%s: %s, want %s", s, got, want)
		}
	}
}

func TestDays(t *testing.T) {
	t.Parallel()
	if n, ok := Days("2024-02-28", "2024-03-01"); n != 2 || !ok {
		t.Errorf("%d, %v", n, ok)
	}
	for _, bad := range []string{"", "2026-02-29", "20260101", "2026-1-1"} {
		if _, ok := Days(bad, "2026-01-01"); ok {
			t.Errorf("%q is a date", bad)
		}
	}
}

func TestCollector(t *testing.T) {
	t.Parallel()
	r := &Report{Recognised: true}
	c := Collector{Report: r, Max: 4}
	for range 10 {
		c.Add(Finding{Severity: Warning})
	}
	if len(r.Findings) != 2 || !r.OK() {
		t.Errorf("warnings: %+v", r)
	}
	for range 5 {
		c.Add(Finding{Severity: Error})
	}
	if len(r.Findings) != 4 || r.More != 3 || r.OK() {
		t.Errorf("errors: %+v", r)
	}
	if (&Report{}).OK() {
		t.Error("the zero report is OK")
	}
}

func TestInForce(t *testing.T) {
	t.Parallel()
	r := Rule[int]{From: "2023-12-01", Until: "2024-01-01"}
	for date, want := range map[string]bool{"": true, "2023-11-30": false, "2023-12-01": true, "2023-12-31": true, "2024-01-01": false} {
		if r.InForce(date) != want {
			t.Errorf("%q: %v", date, !want)
		}
	}
}
