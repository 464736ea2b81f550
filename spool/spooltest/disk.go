package spooltest

import (
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// A Disk is the limit that engines are measured beside.
type Disk struct{ Dir string }

// GroupAppend is how many blocks a second producers make durable in one file
// that was filled with zeros ahead: whoever waits shares a write and an fdatasync.
func (d Disk) GroupAppend(producers, size int, during time.Duration) (float64, error) {
	f, err := os.CreateTemp(d.Dir, "append-")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	const ahead = 64 << 20
	zeros := make([]byte, 1<<20)
	for off := int64(0); off < ahead; off += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros, off); err != nil {
			return 0, err
		}
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	type block struct {
		p    []byte
		done chan error
	}
	queue := make(chan block, producers)
	go func() {
		off := int64(0)
		var buf []byte
		for first := range queue {
			group := []block{first}
			buf = append(buf[:0], first.p...)
			for len(queue) > 0 {
				b := <-queue
				group = append(group, b)
				buf = append(buf, b.p...)
			}
			if off+int64(len(buf)) > ahead {
				off = 0
			}
			_, err := f.WriteAt(buf, off)
			off += int64(len(buf))
			if err == nil {
				err = syscall.Fdatasync(int(f.Fd()))
			}
			for _, b := range group {
				b.done <- err
			}
		}
	}()
	defer close(queue)
	return Rate(producers, during, func() (int, error) {
		b := block{make([]byte, size), make(chan error, 1)}
		queue <- b
		return 1, <-b.done
	})
}

// OneFile is how many files a second one producer creates, writes and fsyncs.
func (d Disk) OneFile(size int, during time.Duration) (float64, error) {
	dir, err := os.MkdirTemp(d.Dir, "files-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	n := 0
	p := make([]byte, size)
	return Rate(1, during, func() (int, error) {
		n++
		f, err := os.Create(filepath.Join(dir, time.Now().Format("150405.000000000")))
		if err != nil {
			return 0, err
		}
		defer f.Close()
		if _, err := f.Write(p); err != nil {
			return 0, err
		}
		return 1, f.Sync()
	})
}
