package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
)

// firstInherited is the number of the first descriptor that a service manager
// hands over (SD_LISTEN_FDS_START in sd_listen_fds(3)).
const firstInherited = 3

// inheritedListener returns the listening socket that systemd opened for us
// (bramad.socket), or nil when there is none and the daemon opens its own. More
// than one is an error: nobody would serve the others. The variables are removed,
// so that no child believes them to be its own.
func inheritedListener() (net.Listener, error) {
	pid, count := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"} {
		os.Unsetenv(name)
	}
	if pid != strconv.Itoa(os.Getpid()) { // empty, or meant for somebody else
		return nil, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("LISTEN_FDS %q: not a number of sockets", count)
	}
	return listenerFrom(firstInherited, n)
}

func listenerFrom(first, n int) (net.Listener, error) {
	switch {
	case n == 0:
		return nil, nil
	case n > 1:
		return nil, fmt.Errorf("%d inherited sockets: bramad serves one; leave one ListenStream= in bramad.socket", n)
	}
	f := os.NewFile(uintptr(first), "inherited socket")
	defer f.Close() // FileListener duplicates it, with close-on-exec
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("inherited socket: %w", err)
	}
	if _, ok := l.(*net.TCPListener); !ok {
		l.Close()
		return nil, fmt.Errorf("inherited socket %s: not a TCP socket", l.Addr())
	}
	return l, nil
}
