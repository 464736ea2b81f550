package backup

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// pieces takes bytes in and keeps each piece once.
type pieces struct {
	ctx   context.Context
	dir   string
	known map[string]bool // folders that are there

	buf   []byte
	out   bytes.Buffer
	press *flate.Writer

	whole hash.Hash // of the file being written
	names []string
	size  int64
	new   int64 // bytes written into the repository
}

func newPieces(ctx context.Context, dir string) (*pieces, error) {
	press, err := flate.NewWriter(nil, flate.BestSpeed)
	return &pieces{ctx: ctx, dir: dir, known: map[string]bool{}, press: press, buf: make([]byte, 0, pieceSize)}, err
}

func piecePath(dir, sum string) string { return filepath.Join(dir, "pieces", sum[:2], sum) }

func (p *pieces) begin() {
	p.buf, p.whole, p.names, p.size = p.buf[:0], sha256.New(), nil, 0
}

func (p *pieces) Write(b []byte) (int, error) {
	p.whole.Write(b)
	for rest := b; len(rest) > 0; {
		n := min(len(rest), pieceSize-len(p.buf))
		p.buf, rest = append(p.buf, rest[:n]...), rest[n:]
		if len(p.buf) == pieceSize {
			if err := p.keep(); err != nil {
				return 0, err
			}
		}
	}
	p.size += int64(len(b))
	return len(b), nil
}

// end gives the file that was written since begin.
func (p *pieces) end(path string, mode fs.FileMode) (File, error) {
	if len(p.buf) > 0 {
		if err := p.keep(); err != nil {
			return File{}, err
		}
	}
	return File{
		Path: filepath.ToSlash(path), Mode: uint32(mode.Perm()), Size: p.size,
		SHA256: hex.EncodeToString(p.whole.Sum(nil)), Pieces: p.names,
	}, nil
}

func (p *pieces) keep() error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	sum := sha256.Sum256(p.buf)
	name := hex.EncodeToString(sum[:])
	p.names = append(p.names, name)
	defer func() { p.buf = p.buf[:0] }()
	path := piecePath(p.dir, name)
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	if dir := filepath.Dir(path); !p.known[dir] {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		p.known[dir] = true
	}
	p.out.Reset()
	p.press.Reset(&p.out)
	if _, err := p.press.Write(p.buf); err != nil {
		return err
	}
	if err := p.press.Close(); err != nil {
		return err
	}
	p.new += int64(p.out.Len())
	return os.WriteFile(path, p.out.Bytes(), 0o600)
}

// piece reads one piece, and holds it against its name.
func (r *Repository) piece(sum string, into []byte) ([]byte, error) {
	f, err := os.Open(piecePath(r.dir, sum))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("piece %s is missing: %w", sum, ErrDamaged)
	}
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	defer f.Close()
	b := bytes.NewBuffer(into[:0])
	if _, err := io.Copy(b, io.LimitReader(flate.NewReader(f), pieceSize+1)); err != nil {
		return nil, fmt.Errorf("piece %s: %w: %w", sum, ErrDamaged, err)
	}
	if got := sha256.Sum256(b.Bytes()); hex.EncodeToString(got[:]) != sum {
		return nil, fmt.Errorf("piece %s has other bytes: %w", sum, ErrDamaged)
	}
	return b.Bytes(), nil
}

// fetch writes a file of a copy, and holds it against its hash.
func (r *Repository) fetch(ctx context.Context, f File, w io.Writer) error {
	h := sha256.New()
	var n int64
	var buf []byte
	for _, p := range f.Pieces {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := r.piece(p, buf)
		if err != nil {
			return fmt.Errorf("file %s: %w", f.Path, err)
		}
		buf = b
		h.Write(b)
		if _, err := w.Write(b); err != nil {
			return fmt.Errorf("file %s: %w", f.Path, err)
		}
		n += int64(len(b))
	}
	if n != f.Size || hex.EncodeToString(h.Sum(nil)) != f.SHA256 {
		return fmt.Errorf("file %s has other bytes: %w", f.Path, ErrDamaged)
	}
	return nil
}
