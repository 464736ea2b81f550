package disktest

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/rpc"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
)

// inServer is set in the environment of the process that serves the disks.
const inServer = "BRAMA_DISKTEST_SERVER"

// Main is to be called first by TestMain of every package that uses a [Rig]: in the
// process that serves the disks it does not return.
func Main() {
	if os.Getenv(inServer) == "" {
		return
	}
	// Whoever interrupts the test wants that everything is put away. The test may be
	// gone when it is answered: no reason to end either.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	s := &server{}
	var err error
	if s.dir, err = os.MkdirTemp("", "brama-disk"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	calls := rpc.NewServer()
	if err := calls.RegisterName("Disk", &Calls{s}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	calls.ServeConn(pipe{os.Stdin, os.Stdout}) // until the test has ended
	if err := errors.Join(s.takeDown(), os.RemoveAll(s.dir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

type pipe struct {
	io.ReadCloser
	io.WriteCloser
}

func (p pipe) Close() error { return errors.Join(p.ReadCloser.Close(), p.WriteCloser.Close()) }

// A server has one disk at a time mounted.
type server struct {
	dir     string // of its own
	made    int    // devices
	kind    FileSystem
	at      string // where the file system is mounted; empty: nowhere
	device  *device
	record  *record // finished
	running *device // being recorded
}

// put mounts a disk at a folder.
func (s *server) put(m image, at string, prepare func(node string) error) (err error) {
	if s.at != "" {
		return fmt.Errorf("%s is still mounted", s.at)
	}
	s.made++
	file := filepath.Join(s.dir, strconv.Itoa(s.made))
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return err
	}
	if s.device, err = expose(m, file); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.device.withdraw())
			s.device = nil
		}
	}()
	node, err := attach(file)
	if err != nil {
		return err
	}
	defer node.Close()
	if prepare != nil {
		if err := prepare(node.Name()); err != nil {
			return err
		}
	}
	if err := syscall.Mount(node.Name(), at, s.kind.name(), syscall.MS_NOSUID|syscall.MS_NODEV, s.kind.Options()); err != nil {
		return fmt.Errorf("mount %s: %w", s.kind, err)
	}
	s.at = at
	return nil
}

// takeDown unmounts, and leaves what the disk holds then.
func (s *server) takeDown() error {
	var err error
	if s.at != "" {
		err = unmount(s.at)
		s.at = ""
	}
	if s.device != nil {
		err = errors.Join(err, s.device.withdraw())
		s.device = nil
	}
	return err
}

// Calls is what [Rig] asks of the server; exported for net/rpc only.
type Calls struct{ s *server }

// Place is a file system and where to mount it.
type Place struct {
	Kind FileSystem
	Dir  string
}

// Format makes a disk and mounts it.
func (c *Calls) Format(p Place, _ *struct{}) error {
	c.s.kind = p.Kind
	return c.s.put(image{}, p.Dir, p.Kind.format)
}

// Begin begins the record with everything that is there on the disk.
func (c *Calls) Begin(struct{}, *struct{}) error {
	d, at := c.s.device, c.s.at
	if d == nil {
		return errors.New("no disk")
	}
	if err := c.s.takeDown(); err != nil {
		return err
	}
	base := maps.Clone(d.now)
	if err := c.s.put(d.now, at, nil); err != nil {
		return err
	}
	c.s.device.mu.Lock()
	defer c.s.device.mu.Unlock()
	// What mounting has written is there already, and is in the base too.
	maps.Copy(base, c.s.device.now)
	c.s.device.record = &record{base: base}
	c.s.running = c.s.device
	return nil
}

// Position is where the record stands.
func (c *Calls) Position(_ struct{}, out *Position) error {
	d := c.s.running
	if d == nil {
		return errors.New("nothing is being recorded")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	*out = Position(len(d.record.entries))
	return nil
}

// End takes the disk down and ends the record.
func (c *Calls) End(_ struct{}, out *Tally) error {
	d := c.s.running
	if d == nil {
		return errors.New("nothing is being recorded")
	}
	err := c.s.takeDown() // what it still had to write is recorded too
	c.s.running, c.s.record = nil, d.record
	*out = c.s.record.tally()
	return err
}

// Cut is a power cut.
type Cut struct {
	At   Position
	Mode Mode
	Seed uint64
	Dir  string
}

// Mount mounts what a cut has left.
func (c *Calls) Mount(cut Cut, _ *struct{}) error {
	r := c.s.record
	if r == nil || cut.At < 0 || int(cut.At) > len(r.entries) {
		return fmt.Errorf("no record with a position %d", cut.At)
	}
	return c.s.put(r.cut(cut.At, cut.Mode, cut.Seed), cut.Dir, nil)
}

// Unmount takes down what is mounted.
func (c *Calls) Unmount(struct{}, *struct{}) error { return c.s.takeDown() }
