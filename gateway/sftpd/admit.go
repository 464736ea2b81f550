package sftpd

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"
)

// admission bounds connections that have not authenticated: by their number,
// dropping at random before the bound as OpenSSH's MaxStartups does, so that a
// flood does not keep everybody out; and by what a source has failed before.
type admission struct {
	limits Limits
	chance func() float64 // in [0, 1)

	mu      sync.Mutex
	total   int
	sources map[netip.Prefix]*source
}

// source is an address, or a /64 of IPv6.
type source struct {
	pending  int
	failures float64 // decays with time
	at       time.Time
}

const (
	forgive      = 10 * time.Second // one failed connection is forgotten in
	tolerated    = 20               // failed connections without any delay
	barred       = 100              // failed connections after which new ones are dropped
	perFailure   = 50 * time.Millisecond
	maxSources   = 20000
	unknownPeers = "::/0" // listeners without addresses: one source
)

func newAdmission(l Limits) *admission {
	return &admission{limits: l, chance: rand.Float64, sources: map[netip.Prefix]*source{}}
}

func sourceOf(addr net.Addr) netip.Prefix {
	if t, ok := addr.(*net.TCPAddr); ok {
		if ip, ok := netip.AddrFromSlice(t.IP); ok {
			ip = ip.Unmap()
			bits := 64
			if ip.Is4() {
				bits = 32
			}
			if p, err := ip.Prefix(bits); err == nil {
				return p
			}
		}
	}
	return netip.MustParsePrefix(unknownPeers)
}

// enter admits a connection or not. A source that failed often waits first.
func (a *admission) enter(from netip.Prefix, now time.Time) (wait time.Duration, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.sources) >= maxSources {
		a.sweep(now)
	}
	s := a.sources[from]
	if s == nil {
		s = &source{at: now}
	}
	s.decay(now)
	if s.failures >= barred || a.drop(a.total, a.limits.Unauthenticated) || a.drop(s.pending, a.limits.PerSource) {
		return 0, false
	}
	if a.sources[from] == nil {
		if len(a.sources) >= maxSources {
			return 0, false
		}
		a.sources[from] = s
	}
	a.total++
	s.pending++
	if s.failures > tolerated {
		wait = time.Duration((s.failures - tolerated) * float64(perFailure))
	}
	return wait, true
}

// drop is certain at the limit, and from half of it on grows from 30 per cent.
func (a *admission) drop(n, limit int) bool {
	begin := limit / 2
	if n >= limit {
		return true
	}
	if n < begin || begin == 0 {
		return false
	}
	return a.chance() < 0.3+0.7*float64(n-begin)/float64(limit-begin)
}

// leave ends the time before authentication. A failure counts against the
// source, a success makes up for half of them.
func (a *admission) leave(from netip.Prefix, now time.Time, failed, succeeded bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total--
	s := a.sources[from]
	if s == nil {
		return
	}
	s.pending--
	s.decay(now)
	switch {
	case failed:
		s.failures++
	case succeeded:
		s.failures /= 2
	}
	if s.pending <= 0 && s.failures < 0.5 {
		delete(a.sources, from)
	}
}

func (a *admission) sweep(now time.Time) {
	for k, s := range a.sources {
		if s.decay(now); s.pending <= 0 && s.failures < 1 {
			delete(a.sources, k)
		}
	}
}

func (s *source) decay(now time.Time) {
	if d := now.Sub(s.at); d > 0 {
		s.failures = max(0, s.failures-float64(d)/float64(forgive))
		s.at = now
	}
}
