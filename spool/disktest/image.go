package disktest

import "bytes"

// Size is that of every disk, in bytes. Nothing of it is used before it is written.
const Size = 640 << 20 // mkfs.xfs wants 300 MiB

const (
	block  = 4096
	sector = 512 // the least that a disk writes whole
)

var zeros [block]byte

// An image is what a disk holds: blocks by number; one that is absent is zero.
// Blocks are replaced, never changed, so images may share them.
type image map[int64][]byte

// A piece is what is written of one block.
type piece struct {
	block int64
	from  int // offset in the block
	data  []byte
}

// pieces takes a write apart. It keeps no reference to p.
func pieces(p []byte, off int64) (out []piece) {
	for len(p) > 0 {
		from := int(off % block)
		n := min(block-from, len(p))
		data := zeros[:n]
		if !bytes.Equal(p[:n], data) {
			data = bytes.Clone(p[:n])
		}
		out = append(out, piece{off / block, from, data})
		p, off = p[n:], off+int64(n)
	}
	return out
}

func (m image) apply(p piece) {
	if len(p.data) == block {
		m.set(p.block, p.data)
		return
	}
	whole := make([]byte, block)
	copy(whole, m[p.block])
	copy(whole[p.from:], p.data)
	m.set(p.block, whole)
}

func (m image) set(n int64, whole []byte) {
	if bytes.Equal(whole, zeros[:]) {
		delete(m, n)
		return
	}
	m[n] = whole
}

// read fills p from off.
func (m image) read(p []byte, off int64) {
	for len(p) > 0 {
		from := int(off % block)
		n := min(block-from, len(p))
		if b := m[off/block]; b != nil {
			copy(p[:n], b[from:])
		} else {
			clear(p[:n])
		}
		p, off = p[n:], off+int64(n)
	}
}
