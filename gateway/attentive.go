package gateway

import (
	"errors"
	"io"
	"sync"
)

// attention remembers that bytes could not be read. The parsers of foreign files take
// what they cannot read for a file that ends there, and say what is wrong with that; of a
// disk that fails nothing may be told to anybody.
type attention struct {
	mu  sync.Mutex
	err error // the first
}

// over gives the same bytes, whose reading is watched.
func (a *attention) over(r *io.SectionReader) *io.SectionReader {
	return io.NewSectionReader(&attentive{r, a}, 0, r.Size())
}

func (a *attention) fault() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

type attentive struct {
	of *io.SectionReader
	to *attention
}

func (r *attentive) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.of.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		r.to.mu.Lock()
		defer r.to.mu.Unlock()
		if r.to.err == nil {
			r.to.err = err
		}
	}
	return n, err
}
