// Package sdnotify tells a service manager how its daemon is, in the protocol of
// sd_notify(3).
package sdnotify

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Notifier speaks the protocol of sd_notify(3): one datagram of NAME=VALUE lines
// to the socket that the service manager names. It is our own because the
// protocol is this small, and because a library linked for it has been an
// attacker's way into a daemon before (CVE-2024-3094). The zero value, and one
// made without a service manager, does nothing.
type Notifier struct{ socket string }

// New reads NOTIFY_SOCKET. A leading @ means an abstract socket.
func New(getenv func(string) string) Notifier {
	return Notifier{getenv("NOTIFY_SOCKET")}
}

func (n Notifier) send(lines ...string) error {
	if n.socket == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("service manager: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("service manager: %w", err)
	}
	return nil
}

// Ready says that everything listens; status is what systemctl status shows.
func (n Notifier) Ready(status string) error { return n.send("READY=1", "STATUS="+oneLine(status)) }

// Status changes what systemctl status shows.
func (n Notifier) Status(s string) error { return n.send("STATUS=" + oneLine(s)) }

// Alive answers the watchdog. Only the loop that has just proved the spool
// writable may call it.
func (n Notifier) Alive() error { return n.send("WATCHDOG=1") }

// Stopping says that the daemon drains; it may still take its stop timeout.
func (n Notifier) Stopping() error { return n.send("STOPPING=1") }

// Reloading says that the configuration is being read anew; Ready ends it. The
// time stamp is what Type=notify-reload needs; Type=notify ignores it.
func (n Notifier) Reloading() error {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return fmt.Errorf("monotonic clock: %w", err)
	}
	return n.send("RELOADING=1", "MONOTONIC_USEC="+strconv.FormatInt(ts.Nano()/1000, 10))
}

// A status of several lines would be read as further assignments.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// WatchdogEvery is how often Alive must be sent: half of what the service
// manager allows (sd_watchdog_enabled(3)). Zero: nobody watches.
func WatchdogEvery(getenv func(string) string) time.Duration {
	if pid := getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	usec, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec <= 0 || usec > int64(24*time.Hour/time.Microsecond) {
		return 0
	}
	return time.Duration(usec) * time.Microsecond / 2
}
