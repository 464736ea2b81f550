// Package faulttest runs a program and does harm to it at the n-th of the system
// calls by which it reaches outside: files that it changes, flushes and reads, and
// sockets that it sends on. Calls are counted over all threads, in the order in
// which the kernel is asked, so that a number names the same step in every run of a
// program that does the same. (strace counts each thread by itself.)
//
// A program killed before call n is one killed after call n-1: nothing that
// anybody else can see lies between the two.
//
// It is a debugger (ptrace(2)), for Linux on amd64; Supported says whether it can
// work here.
package faulttest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// Class is what a call does.
type Class uint8

// The classes of calls that are counted.
const (
	Write   Class = iota + 1 // bytes into a file
	Change                   // a name or an attribute: open to create, rename, link, unlink, mkdir, truncate
	Flush                    // fsync, fdatasync
	Send                     // on a socket
	Receive                  // from a socket that the program has connected itself
	Read                     // from a file or folder
)

// Harm is what happens at the call.
type Harm uint8

// What can happen at a call, and at which classes.
const (
	None   Harm = iota // every class is counted
	Kill               // the program is gone before the call is made; at whatever changes something outside
	Tear               // half of the bytes are written, then it is gone; at writes of more than a byte
	EIO                // the call fails; at whatever changes a file
	ENOSPC             // the same
	Unread             // EIO; at reads of files
	Peer               // Counter.Peer is called before the call is made, which then goes on; at sends
	Reset              // ECONNRESET: the answer was given, and never comes; at receptions
)

var harms = map[Harm]struct {
	name    string
	classes []Class
	errno   syscall.Errno
}{
	None:   {"nothing", []Class{Write, Change, Flush, Send, Receive, Read}, 0},
	Kill:   {"killed", []Class{Write, Change, Flush, Send}, 0},
	Tear:   {"killed in the middle of a write", []Class{Write}, 0},
	EIO:    {"EIO", []Class{Write, Change, Flush}, syscall.EIO},
	ENOSPC: {"ENOSPC", []Class{Write, Change, Flush}, syscall.ENOSPC},
	Unread: {"EIO at a read", []Class{Read}, syscall.EIO},
	Peer:   {"server killed", []Class{Send}, 0},
	Reset:  {"answer lost", []Class{Receive}, syscall.ECONNRESET},
}

func (h Harm) String() string { return harms[h].name }

// Call is one that was counted.
type Call struct {
	N     int
	Class Class
	Phase string // of the test, when it was made
	Name  string // of the system call
	On    string // path below Counter.Root, or the address of a socket
	Bytes int
}

func (c Call) String() string {
	return fmt.Sprintf("%d %s: %s %s", c.N, c.Phase, c.Name, c.On)
}

// Step is the call without what differs from run to run.
func (c Call) Step() string { return c.Phase + ": " + c.Name + " " + c.On }

// Counter counts the calls of programs that run under it, one after the other.
type Counter struct {
	Harm   Harm
	At     int             // at which call; 0: never
	Root   string          // what is cut off from paths
	Server string          // part of the address of the server that Peer and Reset are about
	Peer   func()          // kills it
	Only   func(Call) bool // the calls that count; nil: all

	mu     sync.Mutex
	on     bool
	phase  string
	calls  []Call
	struck *Call
}

// Phase names what the test does now, and begins to count.
func (c *Counter) Phase(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.on, c.phase = true, name
}

// Calls are those that were counted so far.
func (c *Counter) Calls() []Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[:len(c.calls):len(c.calls)]
}

// Struck is the call at which harm was done, nil before.
func (c *Counter) Struck() *Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.struck
}

// counting says whether calls of a class count now.
func (c *Counter) counting(class Class) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.on && slices.Contains(harms[c.Harm].classes, class)
}

// counts says whether a call is one at which this harm can be done.
func (h Harm) counts(call Call, server string) bool {
	switch {
	case !slices.Contains(harms[h].classes, call.Class):
		return false
	case h == Tear:
		return call.Bytes > 1 && (call.Name == "write" || call.Name == "pwrite64")
	case h == Peer, h == Reset:
		return strings.Contains(call.On, server)
	}
	return true
}

// Points is at how many of the calls that were counted a harm can be done.
func (c *Counter) Points(h Harm) (n int) {
	for _, call := range c.Calls() {
		if h.counts(call, c.Server) {
			n++
		}
	}
	return n
}

// count adds a call, and says whether it is the one.
func (c *Counter) count(call Call) bool {
	if !c.Harm.counts(call, c.Server) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	call.N, call.Phase, call.On = len(c.calls)+1, c.phase, plain(strings.TrimPrefix(call.On, c.Root))
	if c.Only != nil && !c.Only(call) {
		return false
	}
	c.calls = append(c.calls, call)
	if call.N != c.At || c.Harm == None {
		return false
	}
	c.struck = &call
	return true
}

var (
	sums   = regexp.MustCompile(`([0-9a-f]{2}/){2}[0-9a-f]{64}|[0-9a-f]{64}`)
	ids    = regexp.MustCompile(`\b[0-9a-hjkmnp-tv-z]{13}\b`)
	random = regexp.MustCompile(`\b[A-Z2-7]{10,26}\b|\d{5,}|\d{4}-\d\d-\d\d`)
	ports  = regexp.MustCompile(`:\d+$`)
)

// plain takes out of a name what is another one in every run.
func plain(name string) string {
	name = sums.ReplaceAllString(name, "SHA256")
	name = ids.ReplaceAllString(name, "ID")
	name = random.ReplaceAllString(name, "N")
	return ports.ReplaceAllString(name, "")
}
