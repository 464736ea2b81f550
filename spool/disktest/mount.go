package disktest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A FileSystem is what a disk is formatted with: ext4, xfs, or either with mount
// options after a space: "ext4 data=writeback".
type FileSystem string

func (f FileSystem) name() string { n, _, _ := strings.Cut(string(f), " "); return n }

// Options are those of the mount.
func (f FileSystem) Options() string { _, o, _ := strings.Cut(string(f), " "); return o }

// mkfs gives the program that formats, and its words.
func (f FileSystem) mkfs(node string) []string {
	if f.name() == "xfs" {
		return []string{"mkfs.xfs", "-q", "-f", "-K", node}
	}
	return []string{"mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", node}
}

func (f FileSystem) format(node string) error {
	words := f.mkfs(node)
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(words, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// attach binds a free loop device to a file. The device is free again when nobody
// has it open or mounted any more. Close node.
func attach(file string) (node *os.File, err error) {
	// Not os.OpenFile: its poller would ask the file while it holds up everything
	// else of this process, the file's own server too.
	backing, err := unix.Open(file, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	defer unix.Close(backing)
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	for range 100 {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("no free loop device: %w", err)
		}
		name := fmt.Sprintf("/dev/loop%d", n)
		if err := unix.Mknod(name, unix.S_IFBLK|0o600, int(unix.Mkdev(7, uint32(n)))); err != nil && !errors.Is(err, unix.EEXIST) {
			return nil, fmt.Errorf("mknod %s: %w", name, err)
		}
		node, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		err = unix.IoctlLoopConfigure(int(node.Fd()), &unix.LoopConfig{
			Fd: uint32(backing), Size: sector, Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR},
		})
		if err == nil {
			return node, nil
		}
		node.Close()
		if !errors.Is(err, unix.EBUSY) { // else somebody else was faster
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil, errors.New("no loop device stays free")
}

// unmount waits for those who are just letting go.
func unmount(dir string) error {
	var err error
	for range 50 {
		if err = syscall.Unmount(dir, 0); !errors.Is(err, syscall.EBUSY) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("unmount %s: %w", dir, errors.Join(err, syscall.Unmount(dir, syscall.MNT_DETACH)))
	}
	return nil
}
