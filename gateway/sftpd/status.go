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

// status is an answer with the code and the text that sftp-server of OpenSSH
// gives. Clients show the text and some compare it, so nothing else is sent.
type status struct {
	code error
	text string
}

func (s *status) Error() string { return s.text }

// Unwrap lets the library find its code.
func (s *status) Unwrap() error { return s.code }

var (
	statusNoSuchFile  = &status{sftp.ErrSSHFxNoSuchFile, "No such file"}
	statusPermission  = &status{sftp.ErrSSHFxPermissionDenied, "Permission denied"}
	statusFailure     = &status{sftp.ErrSSHFxFailure, "Failure"}
	statusUnsupported = &status{sftp.ErrSSHFxOpUnsupported, "Operation unsupported"}
)

// Errors of this package that a status is made of.
var (
	errHandles     = errors.New("too many open files")
	errOffset      = errors.New("offset or size out of range")
	errUnsupported = errors.New("not supported")
	errPanic       = errors.New("panic")
	errEnded       = errors.New("file no longer open")
)

// statusOf maps an error to its status.
func statusOf(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		return io.EOF
	case errors.Is(err, fs.ErrNotExist):
		return statusNoSuchFile
	case errors.Is(err, fs.ErrPermission), errors.Is(err, gateway.ErrName):
		return statusPermission
	case errors.Is(err, errUnsupported):
		return statusUnsupported
	default:
		return statusFailure
	}
}

// quoted is a name as the log may show it, with everything odd escaped.
func quoted(name string) string {
	const most = 256
	if len(name) > most {
		name = name[:most] + "…"
	}
	return strconv.QuoteToASCII(name)
}

// refused logs that something was not done. What is merely not there is for
// debugging: clients ask for it all the time.
func (c *connection) refused(op, name string, err error) {
	level := zap.InfoLevel
	if errors.Is(err, fs.ErrNotExist) {
		level = zap.DebugLevel
	} else if n := c.logged.Add(1); n > maxLogged {
		return
	}
	c.log.Log(level, "refused", zap.String("op", op), zap.String("name", quoted(name)), zap.String("reason", quoted(err.Error())))
}
