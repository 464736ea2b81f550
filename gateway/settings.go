package gateway

import (
	"slices"
	"time"
)

// Settings are what may change while the gateway runs. [Options] seed them;
// [Gateway.Reconfigure] replaces them as a whole.
type Settings struct {
	Hold      time.Duration // how long an incomplete document waits; 24h
	Temporary []string      // patterns of temporary names, besides the built-in ones
	Limits    Limits
	Language  string // of clients that name none
}

// withDefaults fills what is zero, and takes a copy of what others might change.
func (s Settings) withDefaults() Settings {
	if s.Hold <= 0 {
		s.Hold = 24 * time.Hour
	}
	if s.Limits.File <= 0 {
		s.Limits.File = 64 << 20
	}
	if s.Limits.Files <= 0 {
		s.Limits.Files = 10_000
	}
	if s.Limits.Bytes <= 0 {
		s.Limits.Bytes = 4 << 30
	}
	s.Temporary = slices.Clone(s.Temporary)
	return s
}

// inForce are the settings of the moment, and what is left of earlier ones.
type inForce struct {
	Settings
	reach time.Duration // the longest hold since the start: documents wait under it still
}

// Settings are those in force. Nobody may change what they hold.
func (g *Gateway) Settings() Settings { return g.settings.Load().Settings }

// reach is how far back a document may have come in that still waits for its signatures.
func (g *Gateway) reach() time.Duration { return g.settings.Load().reach }

// Reconfigure puts other settings in force. Zero fields take the defaults. What
// was decided stays: the deadline of a document that is held already, an upload
// that was begun under larger limits.
func (g *Gateway) Reconfigure(s Settings) {
	next := &inForce{Settings: s.withDefaults()}
	for {
		before := g.settings.Load()
		next.reach = next.Hold
		if before != nil {
			next.reach = max(next.Hold, before.reach)
		}
		if g.settings.CompareAndSwap(before, next) {
			return
		}
	}
}
