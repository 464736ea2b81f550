package socket

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
)

// Errors of Decode; others say what is wrong with the JSON, *http.MaxBytesError
// that it is too large.
var (
	ErrContentType = errors.New("want application/json")
	errFollows     = errors.New("something follows the request")
)

// Decode reads one JSON value of at most limit bytes into v, strictly: unknown
// fields and whatever follows the value are refused.
func Decode(w http.ResponseWriter, r *http.Request, limit int64, v any) error {
	if !IsType(r.Header, "application/json") {
		return ErrContentType
	}
	return Strict(http.MaxBytesReader(w, r.Body, limit), v)
}

// Strict reads one JSON value and nothing else.
func Strict(r io.Reader, v any) error {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err == io.EOF {
		return nil
	} else if size := (*http.MaxBytesError)(nil); errors.As(err, &size) {
		return err
	}
	return errFollows
}

// IsType tells whether a header names the content type.
func IsType(h http.Header, want string) bool {
	got, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && got == want
}

// Transport connects to a socket, whatever host is asked for.
func Transport(path string) *http.Transport {
	var d net.Dialer
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", path)
		},
		Proxy: nil, // the environment's proxy is not for Unix sockets
	}
}
