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
// ways, for what the library leaves open:
//
//   - After OPEN and OPENDIR the next packet waits until everything has been
//     answered. Handles are numbers that a client can guess, and the library
//     races when one is used before it was given.
//   - An OPEN for writing becomes one for both. The library takes a READ of a
//     handle for writing as a WRITE of zeros; with a handle for both it looks at
//     the packet.
//   - It offers limits@openssh.com and answers it.
//   - Every status carries OpenSSH's text for its code.
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
	at     uint32 // bytes of the packet so far
	left   uint32 // bytes of the packet still to come
	head   []byte // how the packet begins
}

// maxHead is as much of a packet as the wire looks at: type, id, a name.
const maxHead = 1 + 4 + 4 + len(limitsExtension)

func (f *frames) between() bool { return f.got == 0 }

// feed calls part with each piece of a packet in p, and whole with the head of
// each packet that ends in p.
func (f *frames) feed(p []byte, part func(piece []byte), whole func(head []byte)) {
	for len(p) > 0 {
		if f.got < 4 {
			n := copy(f.length[f.got:], p)
			f.got += n
			p = p[n:]
			if f.got < 4 {
				return
			}
			f.left = binary.BigEndian.Uint32(f.length[:])
			f.head, f.at = f.head[:0], 0
		}
		n := min(len(p), int(f.left))
		f.head = append(f.head, p[:min(n, maxHead-len(f.head))]...)
		part(p[:n])
		f.at += uint32(n)
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
	w.in.feed(p[:n], w.forBoth, w.request)
	return n, err
}

// forBoth sets SSH_FXF_READ in an OPEN that has any flag of writing. The flags
// are the number behind the name, which is as long as the head says.
func (w *wire) forBoth(piece []byte) {
	const read, writing = 0x01, 0x1e // WRITE, APPEND, CREAT, TRUNC
	head := w.in.head
	if len(head) < 9 || head[0] != fxpOpen {
		return
	}
	low := 9 + int64(binary.BigEndian.Uint32(head[5:])) + 3 - int64(w.in.at)
	if low >= 0 && low < int64(len(piece)) && piece[low]&writing != 0 {
		piece[low] |= read
	}
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
	w.out.feed(p, func([]byte) {}, func([]byte) { answers++ })
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

// rewritten changes the version, which knows nothing of the limits, and statuses:
// the one that says the limits are not supported, and the text of all others.
func (w *wire) rewritten(p []byte) []byte {
	if len(p) < 13 || int64(binary.BigEndian.Uint32(p)) != int64(len(p)-4) {
		return p // in parts: not one of these
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
			return plainStatus(id, binary.BigEndian.Uint32(p[9:]))
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

// plainStatus is SSH_FXP_STATUS with OpenSSH's text and no language.
func plainStatus(id, code uint32) []byte {
	text := ""
	if int(code) < len(statusTexts) {
		text = statusTexts[code]
	}
	q := append(make([]byte, 4, 64), fxpStatus)
	q = binary.BigEndian.AppendUint32(q, id)
	q = binary.BigEndian.AppendUint32(q, code)
	q = binary.BigEndian.AppendUint32(q, uint32(len(text)))
	q = append(q, text...)
	q = binary.BigEndian.AppendUint32(q, 0)
	binary.BigEndian.PutUint32(q, uint32(len(q)-4))
	return q
}

// Close is for the request server, on a packet it cannot read. The status is
// still to be sent, so the channel is closed by whoever opened it.
func (w *wire) Close() error { return nil }
