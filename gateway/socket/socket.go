// Package socket is what the daemons' Unix sockets share: a listener that knows
// its peers by the kernel's word (unix(7), SO_PEERCRED) and accepts so many at
// once, a client's way to it, and the strict reading of JSON requests.
package socket

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

	"golang.org/x/sys/unix"
)

// Peers says who may connect: root, the own user, and these.
type Peers struct {
	UIDs, GIDs []uint32
	// Group lets members of the socket's own group in.
	Group bool
}

// allows judges a peer by its user and groups; group is the socket's.
func (p Peers) allows(peer Peer, group uint32) bool {
	if peer.UID == 0 || peer.UID == uint32(os.Geteuid()) || slices.Contains(p.UIDs, peer.UID) {
		return true
	}
	for _, g := range peer.Groups {
		if p.Group && g == group || slices.Contains(p.GIDs, g) {
			return true
		}
	}
	return false
}

// Options of a listener.
type Options struct {
	Peers Peers
	Mode  fs.FileMode // of the socket; 0660
	Most  int         // connections at once; 64
	// Refused is told of who was not let in; nil: nobody is.
	Refused func(Peer, error)
}

// maxPath is what sun_path holds beside its closing zero (unix(7)); the kernel's
// own message for more is "invalid argument".
const maxPath = 107

// Listen makes the socket. It refuses when another process answers there, and
// replaces one that a dead process left. Closing the listener removes it.
func Listen(path string, o Options) (net.Listener, error) {
	if o.Mode == 0 {
		o.Mode = 0o660
	}
	if o.Most <= 0 {
		o.Most = 64
	}
	// It is made under a name of 11 characters first, which must fit too.
	if n := max(len(path), len(filepath.Dir(path))+1+11); n > maxPath {
		return nil, fmt.Errorf("socket %s: the path has %d bytes, the system allows %d; choose a shorter folder", path, n, maxPath)
	}
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
	err = os.Chmod(temp, o.Mode)
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
		UnixListener: l, path: path, made: made, group: group, peers: o.Peers,
		slots: make(chan struct{}, o.Most), done: make(chan struct{}), refused: o.Refused,
	}, nil
}

// listener accepts allowed peers, at most so many at once.
type listener struct {
	*net.UnixListener
	path    string
	made    os.FileInfo
	group   uint32
	peers   Peers
	slots   chan struct{}
	done    chan struct{}
	once    sync.Once
	refused func(Peer, error)
}

// Accept waits for a peer that may connect; others are closed.
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
		peer, err := peerOf(c)
		if err == nil && l.peers.allows(peer, l.group) {
			return &conn{Conn: c, release: sync.OnceFunc(func() { <-l.slots })}, nil
		}
		if l.refused != nil {
			l.refused(peer, err)
		}
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

// Peer is a process that connected, as it was then.
type Peer struct {
	UID    uint32
	PID    int32
	Groups []uint32 // all of them
}

// peerOf asks the kernel who connected (unix(7): SO_PEERCRED, SO_PEERGROUPS).
func peerOf(c *net.UnixConn) (Peer, error) {
	peer := Peer{UID: ^uint32(0)}
	raw, err := c.SyscallConn()
	if err != nil {
		return peer, err
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err != nil {
			inner = err
			return
		}
		peer = Peer{cred.Uid, cred.Pid, append(peerGroups(fd), cred.Gid)}
	})
	return peer, errors.Join(err, inner)
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
