package formats

import "time"

// KyivDate is the date in Kyiv at t, as ISO 8601. The zone is computed, not
// loaded, so that the answer does not hang on the host's zone files: UTC+2, and
// UTC+3 from 01:00 UTC of March's last Sunday to 01:00 UTC of October's
// (Resolution of the Cabinet of Ministers of Ukraine No 509 of 13.05.1996).
func KyivDate(t time.Time) string {
	u := t.UTC()
	offset := 2 * time.Hour
	if !u.Before(lastSunday(u.Year(), time.March)) && u.Before(lastSunday(u.Year(), time.October)) {
		offset = 3 * time.Hour
	}
	return u.Add(offset).Format(time.DateOnly)
}

func lastSunday(year int, month time.Month) time.Time {
	t := time.Date(year, month, 31, 1, 0, 0, 0, time.UTC)
	return t.AddDate(0, 0, -int(t.Weekday()))
}

// Days is the number of days from one ISO 8601 date to another; ok is false if
// either is not a date.
func Days(from, to string) (n int, ok bool) {
	a, err1 := time.Parse(time.DateOnly, from)
	b, err2 := time.Parse(time.DateOnly, to)
	if err1 != nil || err2 != nil {
		return 0, false
	}
	return int(b.Sub(a) / (24 * time.Hour)), true
}
