package capi

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	codes "modernc.org/sqlite/lib"
)

type word string

func open(t *testing.T) *Conn {
	t.Helper()
	c, err := Open("file:"+filepath.Join(t.TempDir(), "db"), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func prepare(t *testing.T, c *Conn, text string) *Stmt {
	t.Helper()
	s, err := c.Prepare(text)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// TestValues writes values and reads them back, each into whatever can hold it.
func TestValues(t *testing.T) {
	t.Parallel()
	c := open(t)
	if err := c.Script(`CREATE TABLE v (n, w, b, none, empty, noword); CREATE TABLE other (n)`); err != nil {
		t.Fatal(err)
	}
	in := prepare(t, c, `INSERT INTO v VALUES (?, ?, ?, ?, ?, ?)`)
	out := prepare(t, c, `SELECT n, n, n, n, w, w, b, none, none, empty, noword, w, b, none, typeof(empty), typeof(noword) FROM v`)
	for i := range 3 { // the memory of a statement is used again, and grows
		long := strings.Repeat("слово", 1+i*10_000)
		raw := bytes.Repeat([]byte{0, 255}, 1+i*10_000)
		if err := c.Script(`DELETE FROM v`); err != nil {
			t.Fatal(err)
		}
		if n, err := in.Exec([]any{int64(-7), long, raw, nil, []byte{}, ""}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		var n int64
		var small int
		var yes bool
		var number, none *int64
		var w, noword, emptySort, nowordSort string
		var own word
		var b, nothing, empty []byte
		var anyWord, anyBytes, anyNone any
		err := out.Row(nil, func(s *Stmt) error {
			return s.Scan(&n, &small, &yes, &number, &w, &own, &b, &nothing, &none, &empty, &noword, &anyWord, &anyBytes, &anyNone, &emptySort, &nowordSort)
		})
		if err != nil {
			t.Fatal(err)
		}
		if n != -7 || small != -7 || !yes || number == nil || *number != -7 || w != long || own != word(long) || !bytes.Equal(b, raw) || nothing != nil ||
			none != nil || empty != nil || noword != "" || anyWord != long || !bytes.Equal(anyBytes.([]byte), raw) || anyNone != nil || emptySort != "blob" || nowordSort != "text" {
			t.Errorf("round %d: came back otherwise", i)
		}
	}
	for _, into := range []any{new(int64), new(float64), new(string), new(word)} {
		if err := prepare(t, c, `SELECT NULL`).Row(nil, func(s *Stmt) error { return s.Scan(into) }); err == nil {
			t.Errorf("NULL was read into %T", into)
		}
	}
}

// TestStatements holds what a statement says of its rows and its errors.
func TestStatements(t *testing.T) {
	t.Parallel()
	c := open(t)
	if err := c.Script(`CREATE TABLE v (n INTEGER PRIMARY KEY) STRICT`); err != nil {
		t.Fatal(err)
	}
	in := prepare(t, c, `INSERT INTO v VALUES (?1), (?1 + 1)`)
	if n, err := in.Exec([]any{1}); n != 2 || err != nil {
		t.Errorf("inserted %d, %v", n, err)
	}
	var e *Error
	if _, err := in.Exec([]any{2}); !errors.As(err, &e) || e.Code != codes.SQLITE_CONSTRAINT_PRIMARYKEY || !strings.Contains(e.Error(), "v.n") {
		t.Errorf("the same once more: %v", err)
	}
	if n, err := in.Exec([]any{5}); n != 2 || err != nil {
		t.Errorf("after an error: %d, %v", n, err)
	}
	for name, args := range map[string][]any{"none": nil, "two": {1, 2}, "a type": {1.5}} {
		if _, err := in.Exec(args); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	all := prepare(t, c, `SELECT n FROM v ORDER BY n`)
	read := func(stop int) (got []int, err error) {
		err = all.Each(nil, func(s *Stmt) error {
			var n int
			if err := s.Scan(&n); err != nil || n == stop {
				return errors.Join(err, errors.New("stopped"))
			}
			if !s.Busy() || s.Each(nil, nil) == nil {
				t.Error("a statement at work was run once more")
			}
			got = append(got, n)
			return nil
		})
		return got, err
	}
	if got, err := read(5); fmt.Sprint(got) != "[1 2]" || err == nil || all.Busy() {
		t.Errorf("stopped after %v, %v", got, err)
	}
	if got, err := read(0); fmt.Sprint(got) != "[1 2 5 6]" || err != nil {
		t.Errorf("read %v, %v", got, err)
	}
	if err := prepare(t, c, `SELECT n FROM v WHERE n = 9`).Row(nil, func(*Stmt) error { return nil }); !errors.Is(err, ErrNoRows) {
		t.Errorf("no rows: %v", err)
	}
	for _, text := range []string{"", "SELECT", "-- nothing"} {
		if _, err := c.Prepare(text); err == nil {
			t.Errorf("%q was prepared", text)
		}
	}
	if _, err := Open("file:/nowhere/at/all?mode=rw", ""); !errors.As(err, &e) || e.Code&0xff != codes.SQLITE_CANTOPEN {
		t.Errorf("a file that is not there: %v", err)
	}
}
