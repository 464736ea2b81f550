package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shared is a file of the data that is not part of the repository: under data in
// the folder that BRAMA_SHARED names, or in ../shared beside the repository.
func shared(t *testing.T, elem ...string) string {
	t.Helper()
	base := os.Getenv("BRAMA_SHARED")
	if base == "" {
		base = filepath.Join("..", "..", "..", "shared")
	}
	path := filepath.Join(append([]string{base, "data"}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s: shared data not here", filepath.Join(elem...))
		}
		t.Skip("shared data not here")
	}
	return path
}

// checked is what check --format-only says of a file.
func checked(t *testing.T, at, file string) (int, checkReport) {
	t.Helper()
	var out, errs bytes.Buffer
	exit := run(context.Background(), []string{"check", "--format-only", "--at", at, "--json", file}, func(string) string { return "" }, strings.NewReader(""), &out, &errs)
	var r checkReport
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%s: exit %d: %v: %s", file, exit, err, errs.String())
	}
	return exit, r
}

// TestManifest holds every file of the format data of which something is expected
// to that, through the command itself.
func TestManifest(t *testing.T) {
	t.Parallel()
	const at = "2026-01-15T12:00:00Z"
	// What the column says of them is proved elsewhere: they are no documents.
	elsewhere := map[string]string{"vectors/checks.tsv": "TestVectors of formats/ident"}
	judge := map[string]func(exit int, r checkReport) bool{
		"recognised, clean at 2026-01-15":                clean,
		"XSD valid, Ukrainian rules clean at 2026-01-15": clean,
		"accepted as supporting document":                func(exit int, r checkReport) bool { return clean(exit, r) && r.Kind == "supporting_document" },
		"XSD valid; not of the Ukrainian profile: findings": func(exit int, r checkReport) bool {
			rules := false
			for _, f := range r.Findings {
				if strings.HasPrefix(f.Rule, "XML-") || strings.HasPrefix(f.Rule, "FMT-") {
					return false // of the schema, or not recognised
				}
				rules = rules || strings.HasPrefix(f.Rule, "UA-") || strings.HasPrefix(f.Rule, "ST-") || strings.HasPrefix(f.Rule, "PO-")
			}
			return exit == exitNo && rules && r.Kind != ""
		},
	}
	text, err := os.ReadFile(shared(t, "formats", "MANIFEST.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		row := strings.Split(line, "\t")
		if len(row) != 8 {
			t.Fatalf("line %d: %d columns", i+1, len(row))
		}
		file, expected := row[0], row[7]
		if i == 0 || expected == "-" || elsewhere[file] != "" {
			continue
		}
		n++
		want, ok := judge[expected]
		if !ok {
			t.Errorf("%s: no test knows what %q means", file, expected)
			continue
		}
		exit, r := checked(t, at, shared(t, "formats", filepath.FromSlash(file)))
		if !want(exit, r) {
			t.Errorf("%s: want %s: exit %d %s %s %+v", file, expected, exit, r.Outcome, r.Kind, r.Findings)
		}
	}
	if n < 12 {
		t.Errorf("only %d files are expected to be something", n)
	}
}

func clean(exit int, r checkReport) bool { return exit == 0 && len(r.Findings) == 0 && r.Kind != "" }

// TestHostileTables holds the hostile DBFs to CASES.tsv through the command: a day
// on which their own dates are today's accepts what is to be accepted; and one
// before their dates refuses that too, for nothing but the date.
func TestHostileTables(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(shared(t, "relsec", "dbf", "CASES.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		file, expected, _ := strings.Cut(line, "\t")
		expected, _, _ = strings.Cut(expected, "\t")
		path := shared(t, "relsec", "dbf", file)
		exit, r := checked(t, "2026-06-01T12:00:00Z", path)
		if (exit == 0) != (expected == "accept") || exit != 0 && len(r.Findings) == 0 {
			t.Errorf("%s: want %s: exit %d %+v", file, expected, exit, r.Findings)
		}
		exit, r = checked(t, "2026-01-15T12:00:00Z", path)
		if exit == 0 {
			t.Errorf("%s: accepted before its date", file)
		}
		for _, f := range r.Findings {
			if expected == "accept" && f.Severity == 0 && f.Rule != "PO-003" {
				t.Errorf("%s: refused for %s, not for its date", file, f.Rule)
			}
		}
	}
}
