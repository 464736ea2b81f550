package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Peer is who speaks, as the kernel says.
type Peer struct {
	UID uint32
	PID int32
}

type peerKey struct{}

// PeerOf is the operator's process in the context of a call over the socket. A
// call made within the process has none.
func PeerOf(ctx context.Context) (Peer, bool) {
	p, ok := ctx.Value(peerKey{}).(Peer)
	return p, ok
}

func withPeer(ctx context.Context, conn net.Conn) context.Context {
	uc, ok := conn.(*net.UnixConn)
	if !ok {
		return ctx
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return ctx
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil || credErr != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, Peer{cred.Uid, cred.Pid})
}

// mayOperate: root, and who the daemon itself is. No peer, no entry.
func mayOperate(p Peer, known bool, self uint32) bool {
	return known && (p.UID == 0 || p.UID == self)
}

// Listen opens the socket for its owner alone. A socket that a killed daemon left
// behind is replaced; one that answers is not.
func Listen(path string) (net.Listener, error) {
	// sun_path has 108 bytes with its closing zero (unix(7)); the kernel's own
	// message for it is "invalid argument".
	if len(path) > 107 {
		return nil, fmt.Errorf("socket %s: the path has %d bytes, the system allows 107; choose a shorter run directory", path, len(path))
	}
	info, err := os.Lstat(path)
	switch {
	case err == nil && info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("socket %s: there is something else of that name", path)
	case err == nil:
		conn, err := net.DialTimeout("unix", path, 2*time.Second)
		if err == nil {
			conn.Close()
			return nil, fmt.Errorf("socket %s: another daemon answers there", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("socket: %w", err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("socket: %w", err)
	}
	return l, nil
}
