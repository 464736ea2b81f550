package socket

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestPeers(t *testing.T) {
	t.Parallel()
	p := Peers{UIDs: []uint32{50}, GIDs: []uint32{60}, Group: true}
	for _, c := range []struct {
		uid    uint32
		groups []uint32
		want   bool
	}{
		{0, nil, true},
		{uint32(os.Geteuid()), nil, true},
		{50, nil, true},
		{51, nil, false},
		{51, []uint32{59, 60}, true},
		{51, []uint32{70}, true}, // the socket's
		{51, []uint32{0, 50}, false},
		{^uint32(0), nil, false},
	} {
		if got := p.allows(Peer{UID: c.uid, Groups: c.groups}, 70); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	if (Peers{}).allows(Peer{UID: 51, Groups: []uint32{70}}, 70) {
		t.Error("the socket's group came in where it is not allowed to")
	}
}

// short makes a folder whose path leaves room for a socket's.
func short(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestListen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(short(t), "s")
	first, err := Listen(path, Options{Mode: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Error(st.Mode(), err)
	}
	if _, err := Listen(path, Options{}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second one: %v", err)
	}
	// A killed process leaves its socket.
	first.(*listener).UnixListener.Close()
	// A child that another test is just starting holds a copy of it until its exec.
	second, err := Listen(path, Options{})
	for end := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		second, err = Listen(path, Options{})
	}
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("closing the old one took the new one's socket away: %v", err)
	}
	second.Close()
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket stays")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path, Options{}); err == nil {
		t.Error("a file was replaced")
	}
	if _, err := Listen(filepath.Join(t.TempDir(), strings.Repeat("x", 120)), Options{}); err == nil || !strings.Contains(err.Error(), "107") {
		t.Errorf("a long path: %v", err)
	}
}

// TestMain is also the child half of TestStranger.
func TestMain(m *testing.M) {
	if path := os.Getenv("SOCKET_TEST_DIAL"); path != "" {
		c, err := net.Dial("unix", path)
		if err == nil {
			_, err = io.ReadFull(c, make([]byte, 2))
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Another user is refused by what the kernel says of him, whatever the modes of the
// files on the way are. Only root can become another user to try it.
func TestStranger(t *testing.T) {
	t.Parallel()
	dir := short(t)
	path := filepath.Join(dir, "s")
	refused := make(chan Peer, 10)
	l, err := Listen(path, Options{Mode: 0o666, Peers: Peers{UIDs: []uint32{54321}}, Refused: func(p Peer, _ error) { refused <- p }})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("hi"))
			c.Close()
		}
	}()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dial := func(uid int) error {
		cmd := exec.Command("/proc/self/fd/3")
		exe, err := os.Open(self) // its folder may be closed to the other user
		if err != nil {
			t.Fatal(err)
		}
		defer exe.Close()
		cmd.ExtraFiles = []*os.File{exe}
		cmd.Env = []string{"SOCKET_TEST_DIAL=" + path}
		cmd.Dir = "/"
		if uid >= 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	if err := dial(-1); err != nil {
		t.Errorf("the own user: %v", err)
	}
	if os.Geteuid() != 0 {
		return
	}
	if err := dial(54321); err != nil {
		t.Errorf("a user who is named: %v", err)
	}
	if err := dial(54322); err == nil {
		t.Error("a stranger came in")
	} else if p := <-refused; p.UID != 54322 {
		t.Errorf("%+v refused", p)
	}
}

// So many at once and no more; a place is free again when one has gone.
func TestMost(t *testing.T) {
	t.Parallel()
	path := filepath.Join(short(t), "s")
	l, err := Listen(path, Options{Most: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 2)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	for range 2 {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	one := <-accepted
	select {
	case <-accepted:
		t.Error("two at once")
	case <-time.After(50 * time.Millisecond):
	}
	one.Close()
	(<-accepted).Close()
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		contentType, body, want string
	}{
		{"application/json; charset=utf-8", `{"a":1}`, ""},
		{"application/json", `{"a":1}` + "\n", ""},
		{"text/json", `{"a":1}`, "want application/json"},
		{"", `{"a":1}`, "want application/json"},
		{"application/json", `{"b":1}`, "unknown field"},
		{"application/json", `{"a":1}{}`, "follows"},
		{"application/json", `{"a":1}]`, "follows"},
		{"application/json", `{"a":"` + strings.Repeat("x", 200) + `"}`, "too large"},
		{"application/json", `{"a":1}` + strings.Repeat(" ", 200), "too large"},
		{"application/json", ``, "EOF"},
	} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(c.body))
		if c.contentType != "" {
			r.Header.Set("Content-Type", c.contentType)
		}
		var v struct{ A any }
		err := Decode(httptest.NewRecorder(), r, 100, &v)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat("[", 1000)))
	r.Header.Set("Content-Type", "application/json")
	var v any
	if err := Decode(httptest.NewRecorder(), r, 100, &v); !errors.As(err, new(*http.MaxBytesError)) {
		t.Error(err)
	}
	if err := Strict(io.MultiReader(strings.NewReader("1"), strings.NewReader("2 3")), &v); err == nil {
		t.Error("two values read as one")
	}
}
