package processor

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// peers says who may connect.
type peers struct {
	uids, gids []uint32
}

// allows judges a peer by its user and groups; group is the socket's.
func (p peers) allows(uid uint32, groups []uint32, group uint32) bool {
	if uid == 0 || uid == uint32(os.Geteuid()) || slices.Contains(p.uids, uid) {
		return true
	}
	for _, g := range groups {
		if g == group || slices.Contains(p.gids, g) {
			return true
		}
	}
	return false
}

// listener accepts allowed peers, at most so many at once.
type listener struct {
	*net.UnixListener
	path  string
	made  os.FileInfo
	group uint32
	peers peers
	slots chan struct{}
	done  chan struct{}
	once  sync.Once
	log   *zap.Logger
}

func listen(path string, p peers, most int, log *zap.Logger) (net.Listener, error) {
	if st, err := os.Lstat(path); err == nil {
		if st.Mode()&fs.ModeSocket == 0 {
			return nil, fmt.Errorf("%s: exists and is not a socket", path)
		}
		c, err := net.DialTimeout("unix", path, time.Second)
		if err == nil {
			c.Close()
			return nil, fmt.Errorf("%s: another process listens there", path)
		}
		if !errors.Is(err, syscall.ECONNREFUSED) { // which only a dead one gives
			return nil, fmt.Errorf("%s: neither dead nor ours: %w", path, err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	// Made under another name and renamed when its mode is right: nobody meets it
	// before, and a dead one is replaced in one step.
	temp := filepath.Join(filepath.Dir(path), "."+rand.Text()[:10])
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: temp, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	err = os.Chmod(temp, 0o660)
	if err == nil {
		err = os.Rename(temp, path)
	}
	var made os.FileInfo
	if err == nil {
		made, err = os.Lstat(path)
	}
	if err != nil {
		l.Close()
		_ = os.Remove(temp)
		return nil, err
	}
	group := uint32(os.Getegid())
	if st, ok := made.Sys().(*syscall.Stat_t); ok {
		group = st.Gid
	}
	return &listener{
		UnixListener: l, path: path, made: made, group: group, peers: p,
		slots: make(chan struct{}, most), done: make(chan struct{}), log: log,
	}, nil
}

// Accept waits for a peer that may connect; others are closed with a log line.
func (l *listener) Accept() (net.Conn, error) {
	for {
		select {
		case l.slots <- struct{}{}:
		case <-l.done:
			return nil, net.ErrClosed
		}
		c, err := l.AcceptUnix()
		if err != nil {
			<-l.slots
			return nil, err
		}
		uid, groups, err := peerOf(c)
		if err == nil && l.peers.allows(uid, groups, l.group) {
			return &conn{Conn: c, release: sync.OnceFunc(func() { <-l.slots })}, nil
		}
		l.log.Warn("connection to the processor socket refused", zap.Uint32("uid", uid), zap.Error(err))
		c.Close()
		<-l.slots
	}
}

// Close removes the socket if it is still this one.
func (l *listener) Close() error {
	err := l.UnixListener.Close()
	l.once.Do(func() {
		close(l.done)
		if st, serr := os.Lstat(l.path); serr == nil && os.SameFile(st, l.made) {
			err = errors.Join(err, os.Remove(l.path))
		}
	})
	return err
}

type conn struct {
	net.Conn
	release func()
}

func (c *conn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// peerOf returns the user and all groups of the process that connected, as they
// were then (unix(7): SO_PEERCRED, SO_PEERGROUPS).
func peerOf(c *net.UnixConn) (uid uint32, groups []uint32, err error) {
	uid = ^uint32(0)
	raw, err := c.SyscallConn()
	if err != nil {
		return uid, nil, err
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err != nil {
			inner = err
			return
		}
		uid, groups = cred.Uid, peerGroups(fd)
		groups = append(groups, cred.Gid)
	})
	return uid, groups, errors.Join(err, inner)
}

// peerGroups returns the supplementary groups; none where the kernel cannot tell
// (before 4.13).
func peerGroups(fd uintptr) []uint32 {
	groups := make([]uint32, 64)
	for range 2 {
		size := uint32(len(groups) * 4)
		_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch e {
		case 0:
			return groups[:size/4]
		case unix.ERANGE: // size says how many there are; Linux knows at most 65536
			groups = make([]uint32, min(size/4, 1<<16)+1)
		default:
			return nil
		}
	}
	return nil
}
