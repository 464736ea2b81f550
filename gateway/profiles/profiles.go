// Package profiles keeps the format profiles of the moment: those that are
// built in, and those of the sysadmin's folder. A bad profile never replaces a
// good one: a file that does not hold leaves what was read of it before in use,
// and is told.
package profiles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/brama-gateway/brama/formats/profile"
)

// Profiles gives the set in force. Make it with Open.
type Profiles struct {
	dir string
	set atomic.Pointer[profile.Set]

	mu       sync.Mutex
	good     map[string]*profile.Set // by file: the last one that held
	seen     string                  // what the folder looked like
	problems []string
}

// Open reads the built-in profiles and those in dir; an empty dir is none. Here a
// profile that does not hold is an error: nothing was good before it.
func Open(dir string) (*Profiles, error) {
	p := &Profiles{dir: dir, good: map[string]*profile.Set{}}
	return p, p.Reload()
}

// Reload reads the folder anew. What holds is in force; of a file that does not,
// the version before stays, and the error names it. A file that is gone takes its
// profile with it.
func (p *Profiles) Reload() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reload()
}

func (p *Profiles) reload() error {
	if p.dir == "" {
		p.set.Store(profile.Builtin())
		return nil
	}
	files, err := fs.Glob(os.DirFS(p.dir), "*.yaml")
	if err != nil {
		return err
	}
	p.seen = p.look()
	good := map[string]*profile.Set{}
	var wrong []error
	for _, file := range files {
		q, err := p.read(file)
		if err != nil {
			wrong = append(wrong, err)
			if q = p.good[file]; q == nil {
				continue
			}
		}
		good[file] = q
	}
	own, clash := profile.Union(slices.Collect(inOrder(good))...)
	if clash != nil { // nobody can say which of two is meant
		wrong = append(wrong, clash)
	} else {
		p.good = good
		p.set.Store(profile.Builtin().With(own))
	}
	p.problems = nil
	for _, err := range wrong {
		p.problems = append(p.problems, err.Error())
	}
	return errors.Join(wrong...)
}

func (p *Profiles) read(file string) (*profile.Set, error) {
	text, err := fs.ReadFile(os.DirFS(p.dir), file)
	if err != nil {
		return nil, err
	}
	return profile.One(file, text)
}

// inOrder gives the profiles by their files' names.
func inOrder(m map[string]*profile.Set) func(func(*profile.Set) bool) {
	return func(yield func(*profile.Set) bool) {
		var names []string
		for name := range m {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			if !yield(m[name]) {
				return
			}
		}
	}
}

// look is names, sizes and times of the folder's profiles.
func (p *Profiles) look() string {
	files, err := os.ReadDir(p.dir)
	if err != nil {
		return err.Error()
	}
	var s strings.Builder
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".yaml") {
			continue
		}
		info, err := f.Info()
		if err != nil {
			continue // gone meanwhile
		}
		fmt.Fprintf(&s, "%s %d %d\n", f.Name(), info.Size(), info.ModTime().UnixNano())
	}
	return s.String()
}

// Refresh reads the folder anew if it looks otherwise than the last time; changed
// says whether it did.
func (p *Profiles) Refresh() (changed bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dir == "" || p.look() == p.seen {
		return false, nil
	}
	return true, p.reload()
}

// Problems are what is wrong with files of the folder since the last reading, in
// words for the sysadmin.
func (p *Profiles) Problems() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.problems)
}

// Set is the set in force.
func (p *Profiles) Set() *profile.Set { return p.set.Load() }
