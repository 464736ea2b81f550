package journal

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestTornNotes: what a power cut leaves at the end of a file of checkpoints is taken
// away by the next start; the notes before it stay.
func TestTornNotes(t *testing.T) {
	t.Parallel()
	note := []byte("brama\n17\nroot\n\n— brama signature\n\n")
	two := bytes.Repeat(note, 2)
	zeros := make([]byte, 236)
	for name, end := range map[string][]byte{
		"nothing":          nil,
		"zeros":            zeros,
		"half":             note[:20],
		"half and zeros":   append(bytes.Clone(note[:20]), zeros...),
		"zeros and a half": append(bytes.Clone(zeros), note[20:]...),
		"zeros and a note": append(append(bytes.Clone(zeros), note...), zeros...),
	} {
		file := filepath.Join(t.TempDir(), "checkpoints")
		if err := os.WriteFile(file, append(bytes.Clone(two), end...), 0o600); err != nil {
			t.Fatal(err)
		}
		n, notes, err := openNotes(file)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		err = n.add(note[:len(note)-1])
		n.f.Close()
		got, err2 := os.ReadFile(file)
		if err != nil || err2 != nil || len(notes) != 2 || !bytes.Equal(got, append(bytes.Clone(two), note...)) {
			t.Errorf("%s: %d notes, then %q, %v, %v", name, len(notes), got, err, err2)
		}
		if copies := SplitCheckpoints(append(bytes.Clone(two), end...)); len(copies) != 2 && name != "half" {
			t.Errorf("%s: %d notes of a copy", name, len(copies))
		}
	}
}
