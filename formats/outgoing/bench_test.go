package outgoing

import (
	"io"
	"math/rand/v2"
	"testing"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/statement"
)

// counter counts what is written.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

// BenchmarkRender renders a statement of 100,000 entries in every form that
// carries it. B/op is all that was ever allocated; what is held is a buffer.
func BenchmarkRender(b *testing.B) {
	s := random(rand.New(rand.NewPCG(1, 1)), formats.Statement, statement.MaxEntries)
	for _, form := range renderer.Choose(renderer.Forms(), formats.Statement) {
		if form == JSON {
			continue
		}
		b.Run(form, func(b *testing.B) {
			b.ReportAllocs()
			var n counter
			for b.Loop() {
				n = 0
				if err := renderer.Render(io.Writer(&n), form, s, nil, Options{Language: "uk", At: noon}); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(n))
			b.ReportMetric(float64(statement.MaxEntries)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}
