package sftpd

import (
	"errors"
	"io"
	"io/fs"
	"strconv"

	"github.com/pkg/sftp"
	"go.uber.org/zap"

	"github.com/brama-gateway/brama/gateway"
)

// statusTexts are what sftp-server of OpenSSH says with each code. Clients show
// the text and some compare it, so the wire sends nothing else, whoever made the
// status.
var statusTexts = []string{
	"Success", "End of file", "No such file", "Permission denied", "Failure",
	"Bad message", "No connection", "Connection lost", "Operation unsupported",
}

// Errors of this package that a status is made of.
var (
	errHandles     = errors.New("too many open files")
	errOffset      = errors.New("offset or size out of range")
	errUnsupported = errors.New("not supported")
	errPanic       = errors.New("panic")
	errEnded       = errors.New("file no longer open")
	errSpoilt      = errors.New("a write of the file was refused")
)

// statusOf maps an error to the code that the client gets.
func statusOf(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		return io.EOF
	case errors.Is(err, fs.ErrNotExist):
		return sftp.ErrSSHFxNoSuchFile
	case errors.Is(err, fs.ErrPermission), errors.Is(err, gateway.ErrName):
		return sftp.ErrSSHFxPermissionDenied
	case errors.Is(err, errUnsupported):
		return sftp.ErrSSHFxOpUnsupported
	default:
		return sftp.ErrSSHFxFailure
	}
}

// opWrite is OPEN for writing, as the log calls it.
const opWrite = "open for writing"

// quoted is a name as the log may show it, with everything odd escaped.
func quoted(name string) string {
	const most = 256
	if len(name) > most {
		name = name[:most] + "…"
	}
	return strconv.QuoteToASCII(name)
}

// refused logs that something was not done. What is merely not there is for
// debugging: clients ask for it all the time. A place where nobody can write is
// more than that.
func (c *connection) refused(op, name string, err error) {
	level := zap.InfoLevel
	if errors.Is(err, fs.ErrNotExist) && op != opWrite {
		level = zap.DebugLevel
	} else if n := c.logged.Add(1); n > maxLogged {
		return
	}
	c.log.Log(level, "refused", zap.String("op", op), zap.String("name", quoted(name)), zap.String("reason", quoted(err.Error())))
}
