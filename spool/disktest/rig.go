package disktest

import (
	"errors"
	"fmt"
	"net/rpc"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
)

// Missing says in plain words why no disk can be served here; empty: it can.
func Missing(kinds ...FileSystem) string {
	if os.Geteuid() != 0 {
		return "power cuts need root, to mount"
	}
	for _, name := range []string{"/dev/fuse", "/dev/loop-control"} {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			return fmt.Sprintf("power cuts need a device: %v", err)
		}
		f.Close()
	}
	for _, k := range kinds {
		if _, err := exec.LookPath(k.mkfs("")[0]); err != nil {
			return fmt.Sprintf("%s is not here (Debian: e2fsprogs, xfsprogs)", k.mkfs("")[0])
		}
	}
	return ""
}

// A Rig serves one disk after another, each mounted at one folder.
type Rig struct {
	dir    string
	server *exec.Cmd
	calls  *rpc.Client
}

// Start starts the process that serves disks (see [Main]). Dir is the folder where
// they are mounted. Everything is put away when the test has ended.
func Start(t testing.TB, dir string) *Rig {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &Rig{dir: dir, server: exec.Command(program)}
	r.server.Env = append(slices.Clip(os.Environ()), inServer+"=1")
	r.server.Stderr = os.Stderr
	r.server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it goes when the test has gone, not with it
	in, err := r.server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.server.Start(); err != nil {
		t.Fatal(err)
	}
	r.calls = rpc.NewClient(pipe{out, in})
	t.Cleanup(func() {
		if err := errors.Join(r.calls.Close(), r.server.Wait()); err != nil {
			t.Errorf("the disk's server: %v", err)
		}
	})
	return r
}

// Format makes a new disk with a file system and mounts it.
func (r *Rig) Format(kind FileSystem) error {
	return r.calls.Call("Disk.Format", Place{kind, r.dir}, &struct{}{})
}

// Begin begins a record. Nobody may have a file open on the disk: it is mounted anew.
func (r *Rig) Begin() error { return r.calls.Call("Disk.Begin", struct{}{}, &struct{}{}) }

// Position is how far the record has come. Whoever calls it when an answer has
// arrived knows that everything the answer rests on stands before it.
func (r *Rig) Position() (Position, error) {
	var p Position
	err := r.calls.Call("Disk.Position", struct{}{}, &p)
	return p, err
}

// End unmounts the disk and ends the record.
func (r *Rig) End() (Tally, error) {
	var t Tally
	err := r.calls.Call("Disk.End", struct{}{}, &t)
	return t, err
}

// Cut mounts what a power cut at a position of the record may have left. An error
// says that the file system did not come up again.
func (r *Rig) Cut(at Position, mode Mode, seed uint64) error {
	return r.calls.Call("Disk.Mount", Cut{at, mode, seed, r.dir}, &struct{}{})
}

// Unmount takes down what is mounted.
func (r *Rig) Unmount() error { return r.calls.Call("Disk.Unmount", struct{}{}, &struct{}{}) }
