package faulttest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Supported is nil where programs may be traced.
func Supported() error {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{"true"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("ptrace is not allowed here: %w", err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	return nil
}

// known are the calls that are counted, by number.
var known = map[uint64]struct {
	name  string
	class Class
	fd    bool // the first argument is a descriptor, else see path
}{
	unix.SYS_READ: {"read", Read, true}, unix.SYS_PREAD64: {"pread64", Read, true}, unix.SYS_READV: {"readv", Read, true},
	unix.SYS_PREADV: {"preadv", Read, true}, unix.SYS_GETDENTS64: {"getdents64", Read, true},

	unix.SYS_WRITE: {"write", Write, true}, unix.SYS_PWRITE64: {"pwrite64", Write, true}, unix.SYS_WRITEV: {"writev", Write, true},
	unix.SYS_PWRITEV: {"pwritev", Write, true}, unix.SYS_SENDTO: {"sendto", Write, true}, unix.SYS_SENDMSG: {"sendmsg", Write, true},
	unix.SYS_COPY_FILE_RANGE: {"copy_file_range", Change, false}, unix.SYS_SENDFILE: {"sendfile", Change, true}, unix.SYS_SPLICE: {"splice", Change, false},

	unix.SYS_FSYNC: {"fsync", Flush, true}, unix.SYS_FDATASYNC: {"fdatasync", Flush, true}, unix.SYS_SYNCFS: {"syncfs", Flush, true},
	unix.SYS_SYNC_FILE_RANGE: {"sync_file_range", Flush, true}, unix.SYS_MSYNC: {"msync", Flush, false},

	unix.SYS_FTRUNCATE: {"ftruncate", Change, true}, unix.SYS_FALLOCATE: {"fallocate", Change, true}, unix.SYS_FCHMOD: {"fchmod", Change, true},
	unix.SYS_FCHOWN: {"fchown", Change, true}, unix.SYS_TRUNCATE: {"truncate", Change, false},
	unix.SYS_OPEN: {"open", Change, false}, unix.SYS_CREAT: {"creat", Change, false}, unix.SYS_OPENAT: {"openat", Change, false}, unix.SYS_OPENAT2: {"openat2", Change, false},
	unix.SYS_RENAME: {"rename", Change, false}, unix.SYS_RENAMEAT: {"renameat", Change, false}, unix.SYS_RENAMEAT2: {"renameat2", Change, false},
	unix.SYS_LINK: {"link", Change, false}, unix.SYS_LINKAT: {"linkat", Change, false}, unix.SYS_SYMLINKAT: {"symlinkat", Change, false},
	unix.SYS_UNLINK: {"unlink", Change, false}, unix.SYS_UNLINKAT: {"unlinkat", Change, false}, unix.SYS_RMDIR: {"rmdir", Change, false},
	unix.SYS_MKDIR: {"mkdir", Change, false}, unix.SYS_MKDIRAT: {"mkdirat", Change, false}, unix.SYS_MKNODAT: {"mknodat", Change, false},
	unix.SYS_FCHMODAT: {"fchmodat", Change, false}, unix.SYS_CHMOD: {"chmod", Change, false}, unix.SYS_FCHOWNAT: {"fchownat", Change, false},
	unix.SYS_UTIMENSAT: {"utimensat", Change, false},
}

// Program is a running program.
type Program struct {
	cmd     *exec.Cmd
	counter *Counter
	pid     int
	pidfd   int
	sockets map[string]string // addresses, by what /proc says of a descriptor
	pending map[int]pending   // what is done when a thread's call returns
	threads map[int]bool      // that have begun

	ended  chan struct{}
	status unix.WaitStatus
	err    error
}

type pending struct {
	errno syscall.Errno
	kill  bool
}

// Start starts a program under the counter. Its pipes are those of cmd; its end is
// awaited with Wait, not with that of cmd.
func Start(cmd *exec.Cmd, counter *Counter) (*Program, error) {
	p := &Program{
		cmd: cmd, counter: counter, pidfd: -1, sockets: map[string]string{}, pending: map[int]pending{}, threads: map[int]bool{},
		ended: make(chan struct{}),
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Ptrace, cmd.SysProcAttr.Setpgid = true, true
	started := make(chan error)
	go func() {
		// The debugger is a thread, not a process; this one goes when the goroutine
		// ends, and what is left of the program with it.
		runtime.LockOSThread()
		defer close(p.ended)
		err := p.begin()
		started <- err
		if err == nil {
			p.err = p.follow()
		}
		if p.pidfd >= 0 {
			unix.Close(p.pidfd)
		}
	}()
	return p, <-started
}

func (p *Program) begin() error {
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.pid = p.cmd.Process.Pid
	var status unix.WaitStatus
	if _, err := wait(p.pid, &status); err != nil {
		return fmt.Errorf("wait for %s: %w", p.cmd.Path, err)
	}
	if !status.Stopped() {
		return fmt.Errorf("%s: not stopped by exec", p.cmd.Path)
	}
	p.threads[p.pid] = true
	var err error
	if p.pidfd, err = unix.PidfdOpen(p.pid, 0); err != nil {
		return fmt.Errorf("pidfd_open: %w", err)
	}
	if err := unix.PtraceSetOptions(p.pid, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_EXITKILL); err != nil {
		return fmt.Errorf("ptrace options: %w", err)
	}
	return unix.PtraceSyscall(p.pid, 0)
}

func wait(pid int, status *unix.WaitStatus) (int, error) {
	for {
		tid, err := unix.Wait4(pid, status, unix.WALL, nil)
		if !errors.Is(err, unix.EINTR) {
			return tid, err
		}
	}
}

// follow lets the threads run from stop to stop until the last has gone.
func (p *Program) follow() error {
	for {
		var status unix.WaitStatus
		tid, err := wait(-p.pid, &status) // its group: other children are not ours to wait for
		if err != nil {
			return fmt.Errorf("wait: %w", err)
		}
		if !status.Stopped() {
			delete(p.threads, tid)
			if tid == p.pid { // the first thread is told last
				p.status = status
				return nil
			}
			continue
		}
		deliver := 0
		switch sig := status.StopSignal(); {
		case sig == unix.SIGTRAP|0x80:
			err = p.call(tid)
		case sig == unix.SIGTRAP && status.TrapCause() > 0: // a new thread
		case sig == unix.SIGSTOP && !p.threads[tid]: // which begins so
			p.threads[tid] = true
		default:
			deliver = int(sig)
		}
		if err == nil {
			err = unix.PtraceSyscall(tid, deliver)
		}
		if err != nil && !errors.Is(err, unix.ESRCH) { // killed meanwhile
			return fmt.Errorf("thread %d: %w", tid, err)
		}
	}
}

// syscallInfo is struct ptrace_syscall_info (ptrace(2), PTRACE_GET_SYSCALL_INFO).
type syscallInfo struct {
	op   uint8
	_    [3]uint8
	arch uint32
	_, _ uint64 // instruction and stack pointers
	nr   uint64
	args [6]uint64
}

const (
	getSyscallInfo = 0x420e
	atEntry        = 1
)

// call looks at a thread that stands before or after a call.
func (p *Program) call(tid int) error {
	var info syscallInfo
	if _, _, e := unix.Syscall6(unix.SYS_PTRACE, getSyscallInfo, uintptr(tid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0); e != 0 {
		return e
	}
	if info.op != atEntry {
		done, ok := p.pending[tid]
		if !ok {
			return nil
		}
		delete(p.pending, tid)
		if done.kill {
			return unix.Kill(p.pid, unix.SIGKILL)
		}
		var regs unix.PtraceRegs
		if err := unix.PtraceGetRegs(tid, &regs); err != nil {
			return err
		}
		regs.Rax = uint64(-int64(done.errno))
		return unix.PtraceSetRegs(tid, &regs)
	}
	k, ok := known[info.nr]
	if !ok {
		return nil
	}
	call, class := Call{Name: k.name}, k.class
	if k.fd {
		if call.On, class = p.descriptor(int(int32(info.args[0])), class); class == 0 {
			return nil
		}
		if k.class == Write {
			call.Bytes = int(info.args[2])
		}
	}
	if !p.counter.counting(class) {
		return nil
	}
	if !k.fd {
		var counts bool
		if call.On, counts = p.path(tid, info.nr, info.args); !counts {
			return nil
		}
	}
	call.Class = class
	if !p.counter.count(call) {
		return nil
	}
	return p.strike(tid, call.Bytes)
}

// strike does the harm to a thread that stands before its call.
func (p *Program) strike(tid, bytes int) error {
	switch harm := p.counter.Harm; harm {
	case Peer:
		p.counter.Peer()
		return nil
	case Kill:
		return unix.Kill(p.pid, unix.SIGKILL) // the call is not made (ptrace(2))
	default:
		var regs unix.PtraceRegs
		if err := unix.PtraceGetRegs(tid, &regs); err != nil {
			return err
		}
		if harm == Tear {
			regs.Rdx = uint64(bytes / 2)
			p.pending[tid] = pending{kill: true}
		} else {
			regs.Orig_rax = ^uint64(0) // no such call
			p.pending[tid] = pending{errno: harms[harm].errno}
		}
		return unix.PtraceSetRegs(tid, &regs)
	}
}

// descriptor names what a descriptor is, and the class of a call on it: 0 for what
// is not outside the program.
func (p *Program) descriptor(fd int, class Class) (string, Class) {
	name, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", p.pid, fd))
	if err != nil {
		return "", 0
	}
	switch {
	case strings.HasPrefix(name, "/dev/") && !strings.HasPrefix(name, "/dev/shm/"), strings.HasPrefix(name, "/proc/"), strings.HasPrefix(name, "/sys/"):
		return "", 0
	case strings.HasPrefix(name, "/"):
		return name, class
	case !strings.HasPrefix(name, "socket:"):
		return "", 0
	}
	socket, ok := p.sockets[name]
	if !ok {
		socket = p.address(fd)
		p.sockets[name] = socket
	}
	if class != Read {
		return socket, Send
	}
	if p.counter.counting(Receive) && p.ready(fd) {
		return socket, Receive
	}
	return "", 0
}

// ready says whether something has come on a socket.
func (p *Program) ready(fd int) bool {
	own, err := unix.PidfdGetfd(p.pidfd, fd, 0)
	if err != nil {
		return false
	}
	defer unix.Close(own)
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(own), Events: unix.POLLIN}}, 0)
	return err == nil && n == 1
}

// address is the peer's path where a Unix socket has one, else our own address.
func (p *Program) address(fd int) string {
	own, err := unix.PidfdGetfd(p.pidfd, fd, 0)
	if err != nil {
		return "socket"
	}
	defer unix.Close(own)
	for _, ask := range []func(int) (unix.Sockaddr, error){unix.Getpeername, unix.Getsockname} {
		addr, err := ask(own)
		if err != nil {
			continue
		}
		switch a := addr.(type) {
		case *unix.SockaddrUnix:
			if a.Name != "" && a.Name != "@" { // one end is mostly without a name
				return strings.TrimPrefix(a.Name, p.counter.Root)
			}
		case *unix.SockaddrInet4:
			return "tcp " + net.IP(a.Addr[:]).String()
		case *unix.SockaddrInet6:
			return "tcp " + net.IP(a.Addr[:]).String()
		}
	}
	return "socket"
}

// path names what a call works on that has no descriptor of it, and says whether it
// changes anything.
func (p *Program) path(tid int, nr uint64, args [6]uint64) (string, bool) {
	at, name, flags := unix.AT_FDCWD, args[0], uint64(0)
	switch nr {
	case unix.SYS_OPEN:
		flags = args[1]
	case unix.SYS_OPENAT:
		at, name, flags = int(int32(args[0])), args[1], args[2]
	case unix.SYS_OPENAT2:
		at, name = int(int32(args[0])), args[1]
		var b [8]byte
		if _, err := unix.PtracePeekData(tid, uintptr(args[2]), b[:]); err == nil {
			flags = *(*uint64)(unsafe.Pointer(&b))
		}
	case unix.SYS_MSYNC:
		return "memory", true
	case unix.SYS_COPY_FILE_RANGE, unix.SYS_SPLICE:
		to, class := p.descriptor(int(int32(args[2])), Change)
		return to, class == Change
	case unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_LINKAT:
		at, name = int(int32(args[2])), args[3]
	case unix.SYS_RENAME, unix.SYS_LINK:
		name = args[1]
	case unix.SYS_SYMLINKAT:
		at, name = int(int32(args[1])), args[2]
	case unix.SYS_UNLINKAT, unix.SYS_MKDIRAT, unix.SYS_MKNODAT, unix.SYS_FCHMODAT, unix.SYS_FCHOWNAT, unix.SYS_UTIMENSAT:
		at, name = int(int32(args[0])), args[1]
	}
	if nr == unix.SYS_OPEN || nr == unix.SYS_OPENAT || nr == unix.SYS_OPENAT2 {
		if flags&(unix.O_CREAT|unix.O_TRUNC) == 0 && flags&unix.O_TMPFILE != unix.O_TMPFILE {
			return "", false
		}
	}
	path := text(tid, name)
	if fd, ok := strings.CutPrefix(path, "/proc/self/fd/"); ok {
		path, _ = os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", p.pid, fd))
	}
	if !filepath.IsAbs(path) {
		dir := "cwd"
		if at != unix.AT_FDCWD {
			dir = "fd/" + strconv.Itoa(at)
		}
		if base, err := os.Readlink(fmt.Sprintf("/proc/%d/%s", p.pid, dir)); err == nil {
			path = filepath.Join(base, path)
		}
	}
	return path, !strings.HasPrefix(path, "/dev/") || strings.HasPrefix(path, "/dev/shm/")
}

// text reads a string of the program's.
func text(tid int, at uint64) string {
	var b [unix.PathMax]byte
	n := 0
	for n < len(b) {
		k, err := unix.PtracePeekData(tid, uintptr(at)+uintptr(n), b[n:n+8])
		if err != nil || k == 0 {
			break
		}
		for i := n; i < n+k; i++ {
			if b[i] == 0 {
				return string(b[:i])
			}
		}
		n += k
	}
	return string(b[:n])
}

// Wait waits for the program's end and gives its exit code, -1 after a signal.
func (p *Program) Wait() (int, error) {
	<-p.ended
	_ = p.cmd.Wait() // for its pipes; the process was waited for already
	if p.err != nil {
		return -1, p.err
	}
	if !p.status.Exited() {
		return -1, fmt.Errorf("signal: %v", p.status.Signal())
	}
	if code := p.status.ExitStatus(); code != 0 {
		return code, fmt.Errorf("exit status %d", code)
	}
	return 0, nil
}
