package sftpd

import (
	"bytes"
	"encoding/binary"
	"io"
	"sync"

	"golang.org/x/crypto/ssh"
)

// Packet types of draft-ietf-secsh-filexfer-02 that the wire knows.
const (
	fxpVersion       = 2
	fxpOpen          = 3
	fxpOpendir       = 11
	fxpStatus        = 101
	fxpExtended      = 200
	fxpExtendedReply = 201
)

const (
	maxPacket = 256 << 10 // what the library reads
	maxRead   = 261120    // data of one READ or WRITE: what OpenSSH's own server allows
)

// limitsExtension lets OpenSSH send requests of 255 KiB instead of 32. The
// library does not know it.
const limitsExtension = "limits@openssh.com"

// wire is a channel as the request server sees it. It follows the packets both
// ways, for two things that the library leaves open:
//
//   - After OPEN and OPENDIR the next packet waits until everything has been
//     answered. Handles are numbers that a client can guess, and the library
//     races when one is used before it was given.
//   - It offers limits@openssh.com and answers it.
type wire struct {
	ssh.Channel
	c    *connection
	in   frames // of the one goroutine that reads
	hold bool   // the last packet was OPEN or OPENDIR
	out  frames // of the one goroutine that writes at a time

	mu       sync.Mutex
	asked    uint64
	answered uint64
	broken   bool
	limits   map[uint32]bool // requests for the limits, not yet answered
	changed  chan struct{}   // tells the reader, one at a time
}

func newWire(ch ssh.Channel, c *connection) *wire {
	return &wire{Channel: ch, c: c, limits: map[uint32]bool{}, changed: make(chan struct{}, 1)}
}

// frames finds the packets in a stream.
type frames struct {
	length [4]byte
	got    int    // bytes of length
	left   uint32 // bytes of the packet still to come
	head   []byte // how the packet begins
}

// maxHead is as much of a packet as the wire looks at: type, id, a name.
const maxHead = 1 + 4 + 4 + len(limitsExtension)

func (f *frames) between() bool { return f.got == 0 }

// feed calls whole with the head of each packet that ends in p.
func (f *frames) feed(p []byte, whole func(head []byte)) {
	for len(p) > 0 {
		if f.got < 4 {
			n := copy(f.length[f.got:], p)
			f.got += n
			p = p[n:]
			if f.got < 4 {
				return
			}
			f.left = binary.BigEndian.Uint32(f.length[:])
			f.head = f.head[:0]
		}
		n := min(len(p), int(f.left))
		f.head = append(f.head, p[:min(n, maxHead-len(f.head))]...)
		f.left -= uint32(n)
		p = p[n:]
		if f.left == 0 {
			f.got = 0
			whole(f.head)
		}
	}
}

func (w *wire) Read(p []byte) (int, error) {
	if w.hold && w.in.between() {
		if !w.allAnswered() {
			return 0, io.EOF
		}
		w.hold = false
	}
	n, err := w.Channel.Read(p)
	w.c.touch()
	w.in.feed(p[:n], w.request)
	return n, err
}

// request notes a packet that the client sent.
func (w *wire) request(head []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if len(head) == 0 {
		return
	}
	switch head[0] {
	case fxpOpen, fxpOpendir:
		w.hold = true
	case fxpExtended:
		if len(head) == maxHead && string(head[9:]) == limitsExtension && len(w.limits) < 8 {
			w.limits[binary.BigEndian.Uint32(head[1:])] = true
		}
	}
}

// allAnswered waits until no request is open; false if the connection ended.
func (w *wire) allAnswered() bool {
	for {
		w.mu.Lock()
		all, broken := w.answered >= w.asked, w.broken
		w.mu.Unlock()
		switch {
		case broken:
			return false
		case all:
			return true
		}
		select {
		case <-w.changed:
		case <-w.c.ended:
			return false
		}
	}
}

func (w *wire) Write(p []byte) (int, error) {
	sent := p
	if w.out.between() {
		sent = w.rewritten(p)
	}
	answers := uint64(0)
	w.out.feed(p, func([]byte) { answers++ })
	n, err := w.Channel.Write(sent)
	w.c.touch()
	w.mu.Lock()
	w.answered += answers
	w.broken = w.broken || err != nil
	w.mu.Unlock()
	if answers > 0 || err != nil {
		select {
		case w.changed <- struct{}{}:
		default: // the reader has still to look
		}
	}
	if err == nil {
		n = len(p)
	}
	return n, err
}

// rewritten changes the two packets of the library that know nothing of the
// limits: the version, and the status that says the request is not supported.
func (w *wire) rewritten(p []byte) []byte {
	if len(p) < 9 || int64(binary.BigEndian.Uint32(p)) != int64(len(p)-4) {
		return p // in parts: not one of the two
	}
	switch p[4] {
	case fxpVersion:
		q := bytes.Clone(p)
		for _, s := range []string{limitsExtension, "1"} {
			q = binary.BigEndian.AppendUint32(q, uint32(len(s)))
			q = append(q, s...)
		}
		binary.BigEndian.PutUint32(q, uint32(len(q)-4))
		return q
	case fxpStatus:
		id := binary.BigEndian.Uint32(p[5:])
		w.mu.Lock()
		asked := w.limits[id]
		delete(w.limits, id)
		w.mu.Unlock()
		if !asked {
			return p
		}
		q := append(make([]byte, 4, 41), fxpExtendedReply)
		q = binary.BigEndian.AppendUint32(q, id)
		for _, v := range []uint64{maxPacket, maxRead, maxRead, uint64(w.c.server.limits.Handles)} {
			q = binary.BigEndian.AppendUint64(q, v)
		}
		binary.BigEndian.PutUint32(q, uint32(len(q)-4))
		return q
	}
	return p
}

// Close is for the request server, on a packet it cannot read. The status is
// still to be sent, so the channel is closed by whoever opened it.
func (w *wire) Close() error { return nil }
