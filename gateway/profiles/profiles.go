// Package profiles keeps the format profiles of the moment: those that are
// built in, and those of the sysadmin's folder. A bad profile never replaces a
// good one.
package profiles

import (
	"os"
	"sync/atomic"

	"github.com/brama-gateway/brama/formats/profile"
)

// Profiles gives the set in force. Make it with Open.
type Profiles struct {
	dir string
	set atomic.Pointer[profile.Set]
}

// Open reads the built-in profiles and those in dir; an empty dir is none.
func Open(dir string) (*Profiles, error) {
	p := &Profiles{dir: dir}
	return p, p.Reload()
}

// Reload reads the folder anew. After an error the set stays as it was.
func (p *Profiles) Reload() error {
	set := profile.Builtin()
	if p.dir != "" {
		own, err := profile.Load(os.DirFS(p.dir))
		if err != nil {
			return err
		}
		set = set.With(own)
	}
	p.set.Store(set)
	return nil
}

// Set is the set in force.
func (p *Profiles) Set() *profile.Set { return p.set.Load() }
