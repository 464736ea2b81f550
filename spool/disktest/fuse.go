package disktest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// A device is a disk that the kernel sees as a file. The file is the root of its
// file system, so there are no names, and of FUSE's operations no more are needed
// than stand here.
type device struct {
	fuse *os.File // /dev/fuse
	path string   // where the file is mounted
	gone chan struct{}

	mu     sync.Mutex
	now    image
	record *record // nil: nothing is recorded
}

// Operations and numbers of the kernel's protocol (include/uapi/linux/fuse.h).
const (
	opGetattr = 3
	opSetattr = 4
	opOpen    = 14
	opRead    = 15
	opWrite   = 16
	opStatfs  = 17
	opRelease = 18
	opFsync   = 20
	opFlush   = 25
	opInit    = 26
	opForget  = 2
	opDestroy = 38
	opBatch   = 42 // BATCH_FORGET

	protocolMajor, protocolMinor = 7, 31

	askBigWrites = 1 << 5
	askMaxPages  = 1 << 22
	directIO     = 1 << 0 // of an open file: every write comes by at once

	maxWrite   = 1 << 20
	headerIn   = 40
	headerOut  = 16
	attrSize   = 88
	nodeRoot   = 1
	ioRequest  = 40 // of READ and WRITE, before the data
	initAnswer = 64
	statAnswer = 80
)

// expose mounts a disk as the file at path, which must be there.
func expose(m image, path string) (*device, error) {
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	d := &device{fuse: f, path: path, gone: make(chan struct{}), now: m}
	options := fmt.Sprintf("fd=%d,rootmode=%o,user_id=0,group_id=0", f.Fd(), syscall.S_IFREG|0o600)
	if err := syscall.Mount("disktest", path, "fuse.disktest", syscall.MS_NOSUID|syscall.MS_NODEV, options); err != nil {
		f.Close()
		return nil, fmt.Errorf("mount fuse on %s: %w", path, err)
	}
	go d.serve()
	return d, nil
}

// withdraw takes the file away. A loop device that still has it lets it go later.
func (d *device) withdraw() error {
	err := syscall.Unmount(d.path, syscall.MNT_DETACH)
	if err == nil {
		select {
		case <-d.gone:
		case <-time.After(10 * time.Second):
			err = fmt.Errorf("%s is still in use", d.path)
		}
	}
	return errors.Join(err, d.fuse.Close())
}

// serve answers the kernel until the file is unmounted. One request at a time:
// their order is the record's.
func (d *device) serve() {
	defer close(d.gone)
	fd := int(d.fuse.Fd()) // Fd: reads block, and no poller is in between
	request := make([]byte, maxWrite+block)
	for {
		n, err := syscall.Read(fd, request)
		switch {
		case errors.Is(err, syscall.EINTR) || errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOENT): // it was taken back
			continue
		case err != nil || n < headerIn: // ENODEV: unmounted
			return
		}
		op := binary.NativeEndian.Uint32(request[4:])
		body, errno := d.answer(op, request[headerIn:n])
		if op == opForget || op == opBatch { // nobody waits
			continue
		}
		answer := binary.NativeEndian.AppendUint32(make([]byte, 0, headerOut+len(body)), uint32(headerOut+len(body)))
		answer = binary.NativeEndian.AppendUint32(answer, uint32(-int32(errno)))
		answer = append(append(answer, request[8:16]...), body...)
		if _, err := syscall.Write(fd, answer); err != nil && !errors.Is(err, syscall.ENOENT) {
			return
		}
	}
}

func (d *device) answer(op uint32, in []byte) ([]byte, syscall.Errno) {
	switch op {
	case opInit:
		out := make([]byte, initAnswer)
		put32(out, 0, protocolMajor, protocolMinor, binary.NativeEndian.Uint32(in[8:]), askBigWrites|askMaxPages)
		binary.NativeEndian.PutUint16(out[16:], 64) // requests in the background
		binary.NativeEndian.PutUint16(out[18:], 48) // ... from which on it counts as congested
		put32(out, 20, maxWrite, 1)
		binary.NativeEndian.PutUint16(out[28:], maxWrite/block)
		return out, 0
	case opGetattr, opSetattr:
		out := make([]byte, 16+attrSize)
		put64(out, 16, nodeRoot, Size, Size/sector)
		put32(out, 16+60, syscall.S_IFREG|0o600, 1)
		put32(out, 16+80, block)
		return out, 0
	case opOpen:
		out := make([]byte, 16)
		put32(out, 8, directIO)
		return out, 0
	case opStatfs:
		out := make([]byte, statAnswer)
		put64(out, 0, Size/block)
		put32(out, 40, block, 255, block)
		return out, 0
	case opRead, opWrite:
		if len(in) < ioRequest {
			return nil, syscall.EINVAL
		}
		off, n := int64(binary.NativeEndian.Uint64(in[8:])), int(binary.NativeEndian.Uint32(in[16:]))
		if off < 0 || n > maxWrite || off > Size-int64(n) {
			return nil, syscall.EINVAL
		}
		if op == opRead {
			out := make([]byte, n)
			d.mu.Lock()
			defer d.mu.Unlock()
			d.now.read(out, off)
			return out, 0
		}
		if len(in) < ioRequest+n {
			return nil, syscall.EINVAL
		}
		d.write(in[ioRequest:ioRequest+n], off)
		out := make([]byte, 8)
		put32(out, 0, uint32(n))
		return out, 0
	case opFsync:
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.record != nil {
			d.record.entries = append(d.record.entries, nil)
		}
		return nil, 0
	case opRelease, opFlush, opDestroy, opForget, opBatch:
		return nil, 0
	}
	return nil, syscall.ENOSYS
}

func (d *device) write(p []byte, off int64) {
	all := pieces(p, off)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, piece := range all {
		d.now.apply(piece)
	}
	if d.record != nil && len(all) > 0 {
		d.record.entries = append(d.record.entries, slices.Clip(all))
	}
}

func put32(b []byte, at int, values ...uint32) {
	for i, v := range values {
		binary.NativeEndian.PutUint32(b[at+4*i:], v)
	}
}

func put64(b []byte, at int, values ...uint64) {
	for i, v := range values {
		binary.NativeEndian.PutUint64(b[at+8*i:], v)
	}
}
