package sftpd

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"go.uber.org/zap"
	"golang.org/x/crypto/ssh"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
)

// stream is a channel on which a client sent something, to its end.
type stream struct {
	ssh.Channel
	io.Reader
	io.Writer
}

func (s stream) Read(p []byte) (int, error)  { return s.Reader.Read(p) }
func (s stream) Write(p []byte) (int, error) { return s.Writer.Write(p) }
func (stream) Close() error                  { return nil }

// FuzzRequests feeds an authenticated client's bytes to the request server: it
// must not panic, leave an upload open, or take what was not closed.
func FuzzRequests(f *testing.F) {
	init := packet([]byte{1, 0, 0, 0, 3})
	open := packet(append(appendString([]byte{3, 0, 0, 0, 1}, "/inbox/P0001.DBF"), 0, 0, 0, 0x1a, 0, 0, 0, 0))
	write := packet(appendString(append(appendString([]byte{6, 0, 0, 0, 2}, "1"), 0, 0, 0, 0, 0, 0, 0, 0), "payment"))
	done := packet(appendString([]byte{4, 0, 0, 0, 3}, "1"))
	for _, seed := range [][]byte{
		bytes.Join([][]byte{init, open, write, done}, nil),
		bytes.Join([][]byte{init, open, write}, nil),
		bytes.Join([][]byte{init, packet(appendString([]byte{11, 0, 0, 0, 1}, "/inbox")), packet(appendString([]byte{12, 0, 0, 0, 2}, "1"))}, nil),
		bytes.Join([][]byte{init, packet(append(appendString([]byte{9, 0, 0, 0, 1}, "/inbox"), 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2))}, nil),
		bytes.Join([][]byte{init, packet(appendString(appendString([]byte{18, 0, 0, 0, 1}, "/inbox/a.part"), "/inbox/a"))}, nil),
		packet(appendString(appendString(appendString([]byte{200, 0, 0, 0, 9}, "posix-rename@openssh.com"), "/a"), "/b")),
		packet(appendString(appendString([]byte{200, 0, 0, 0, 9}, "statvfs@openssh.com"), "/")),
		packet(appendString([]byte{16, 0, 0, 0, 9}, "../..")),
		bytes.Join([][]byte{init, packet(appendString([]byte{200, 0, 0, 0, 9}, limitsExtension))}, nil),
		{0, 0, 0, 1, 3},
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		desk := newCounter()
		s := &Server{limits: Limits{FileSize: 1 << 20}.withDefaults(), log: zap.NewNop(), work: context.Background()}
		c := &connection{server: s, conn: &deadlineConn{Conn: nowhere{}}, log: s.log, client: "alpha", uploads: map[*upload]bool{}, ready: true}
		c.desk = desk.desk(gateway.Origin{})
		tr := &tree{c: c}
		c.ended = make(chan struct{})
		rs := sftp.NewRequestServer(newWire(stream{Reader: bytes.NewReader(sent), Writer: io.Discard}, c), sftp.Handlers{FileGet: tr, FilePut: tr, FileCmd: tr, FileList: tr})
		_ = rs.Serve()
		if len(c.uploads) != 0 || c.handles != 0 || c.active.Load() != 0 {
			t.Errorf("left: %d uploads, %d handles, %d active", len(c.uploads), c.handles, c.active.Load())
		}
	})
}

// nowhere is a connection that can be closed.
type nowhere struct{ net.Conn }

func (nowhere) Close() error { return nil }

// FuzzHandshake feeds bytes to the server as an unknown peer does.
func FuzzHandshake(f *testing.F) {
	host := edKey(f)
	s := &Server{
		opt: Options{
			HostKeys:  []ssh.Signer{host},
			Authorize: func(string, []byte, net.Addr) (client.ID, bool) { return "", false },
		},
		log: zap.NewNop(),
	}
	config, err := s.serverConfig()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		"", "SSH-2.0-x\r\n", "GET / HTTP/1.1\r\n\r\n", "SSH-2.0-x\r\n\x00\x00\x00\x0c\x0a\x14aaaaaaaaaa", "SSH-2.0-x\r\n\xff\xff\xff\xff\x04",
		"SSH-2.0-x\r\n\x00\x00\x00\x0c\x04\x01\x00\x00\x00\x02\x00\x00\x00\x00",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(_ *testing.T, sent []byte) {
		here, there := net.Pipe()
		_ = here.SetDeadline(time.Now().Add(5 * time.Second))
		go func() { _, _ = io.Copy(io.Discard, there) }()
		go func() {
			_, _ = there.Write(sent)
			_ = there.Close()
		}()
		conn, _, _, err := ssh.NewServerConn(here, config)
		if err == nil {
			_ = conn.Close()
			panic("let in")
		}
		_ = here.Close()
	})
}
