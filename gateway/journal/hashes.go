package journal

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"syscall"

	"golang.org/x/mod/sumdb/tlog"
)

// hashes is hashes.bin: the stored hashes of the tree (tlog.StoredHashIndex) one
// after another. It holds nothing that the rows do not give.
type hashes struct {
	f    *os.File
	rows int64
	held int64       // hashes in the file
	more []tlog.Hash // appended and not yet written
}

func openHashes(path string) (*hashes, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	h := &hashes{f: f}
	if err := h.cut(rowsIn(info.Size() / tlog.HashSize)); err != nil {
		f.Close()
		return nil, err
	}
	return h, nil
}

// rowsIn is how many rows n stored hashes are enough for.
func rowsIn(n int64) int64 {
	return int64(sort.Search(int(n), func(rows int) bool { return tlog.StoredHashCount(int64(rows)+1) > n }))
}

// cut leaves the hashes of so many rows.
func (h *hashes) cut(rows int64) error {
	h.rows, h.held, h.more = rows, tlog.StoredHashCount(rows), nil
	return h.f.Truncate(h.held * tlog.HashSize)
}

// ReadHashes implements tlog.HashReader.
func (h *hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		switch {
		case x < 0 || x >= h.held+int64(len(h.more)):
			return nil, fmt.Errorf("hash %d: beyond the tree", x)
		case x >= h.held:
			out[i] = h.more[x-h.held]
		default:
			if _, err := h.f.ReadAt(out[i][:], x*tlog.HashSize); err != nil {
				return nil, fmt.Errorf("hash %d: %w", x, err)
			}
		}
	}
	return out, nil
}

func (h *hashes) append(leaf tlog.Hash) error {
	add, err := tlog.StoredHashesForRecordHash(h.rows, leaf, h)
	if err != nil {
		return err
	}
	h.more = append(h.more, add...)
	h.rows++
	return nil
}

// flush hands what was appended to the system.
func (h *hashes) flush() error {
	if len(h.more) == 0 {
		return nil
	}
	b := make([]byte, 0, len(h.more)*tlog.HashSize)
	for _, x := range h.more {
		b = append(b, x[:]...)
	}
	if _, err := h.f.WriteAt(b, h.held*tlog.HashSize); err != nil {
		return err
	}
	h.held += int64(len(h.more))
	h.more = h.more[:0]
	return nil
}

func (h *hashes) leaf(row int64) (tlog.Hash, error) {
	x, err := h.ReadHashes([]int64{tlog.StoredHashIndex(0, row)})
	if err != nil {
		return tlog.Hash{}, err
	}
	return x[0], nil
}

// root is the head of the tree of the first rows.
func (h *hashes) root(rows int64) (tlog.Hash, error) {
	if rows > h.rows {
		return tlog.Hash{}, fmt.Errorf("tree of %d rows: only %d are there", rows, h.rows)
	}
	return tlog.TreeHash(rows, h)
}

func (h *hashes) close() error { return errors.Join(h.f.Sync(), h.f.Close()) }
