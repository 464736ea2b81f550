package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/spool"
)

// ErrNoDaemon is wrapped when nobody listens on the socket: the daemon does not
// run, and its store may be opened.
var ErrNoDaemon = errors.New("the daemon does not run")

// Client is an Operator that asks the daemon behind a socket.
type Client struct {
	socket string
	http   *http.Client
}

var _ Operator = (*Client)(nil)

// NewClient asks the daemon at the socket's path. It does not connect yet.
func NewClient(socket string) *Client {
	var d net.Dialer
	return &Client{socket, &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", socket)
		},
		Proxy: nil, // the environment's proxy is not for Unix sockets
	}}}
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call sends in (nil: no body; []byte: as it is; else as JSON) and decodes the answer.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	switch in := in.(type) {
	case nil:
	case []byte:
		body = bytes.NewReader(in)
	default:
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://brama"+path, body)
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("%s: %w", c.socket, ErrNoDaemon)
		}
		return fmt.Errorf("%s: %w", c.socket, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return answered(resp)
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("answer of the daemon: %w", err)
	}
	return nil
}

// remoteError has the daemon's own words and the identity of its cause.
type remoteError struct {
	message string
	cause   error
}

func (e *remoteError) Error() string { return e.message }
func (e *remoteError) Unwrap() error { return e.cause }

func answered(resp *http.Response) error {
	var a errorAnswer
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&a); err != nil || a.Message == "" {
		return fmt.Errorf("the daemon answered %s", resp.Status)
	}
	for _, c := range codes {
		if c.code == a.Code {
			return &remoteError{a.Message, c.err}
		}
	}
	if a.Code == "forbidden" {
		return &remoteError{a.Message, fs.ErrPermission}
	}
	return &remoteError{a.Message, nil}
}

// Status implements Operator.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	err = c.call(ctx, "GET", "/v1/status", nil, &s)
	return s, err
}

// Reload implements Operator.
func (c *Client) Reload(ctx context.Context) error {
	return c.call(ctx, "POST", "/v1/reload", nil, &nothing{})
}

// Clients implements Operator.
func (c *Client) Clients(ctx context.Context) (rows []ClientRow, err error) {
	err = c.call(ctx, "GET", "/v1/clients", nil, &rows)
	return rows, err
}

// Ask implements Operator.
func (c *Client) Ask(ctx context.Context, id client.ID, document bool, name string) (s gateway.Standing, err error) {
	q := url.Values{"document": {strconv.FormatBool(document)}, "name": {name}}
	err = c.call(ctx, "GET", "/v1/clients/"+url.PathEscape(string(id))+"/ledger?"+q.Encode(), nil, &s)
	return s, err
}

// Client implements Operator.
func (c *Client) Client(ctx context.Context, id client.ID) (string, error) {
	var y yamlText
	err := c.call(ctx, "GET", "/v1/clients/"+url.PathEscape(string(id)), nil, &y)
	return y.YAML, err
}

// ExportClients implements Operator.
func (c *Client) ExportClients(ctx context.Context) (string, error) {
	var y yamlText
	err := c.call(ctx, "GET", "/v1/register", nil, &y)
	return y.YAML, err
}

// ApplyClients implements Operator.
func (c *Client) ApplyClients(ctx context.Context, files []File, dryRun bool) (changes []Change, err error) {
	err = c.call(ctx, "POST", "/v1/register", applyRequest{files, dryRun}, &changes)
	return changes, err
}

// DisableClient implements Operator.
func (c *Client) DisableClient(ctx context.Context, id client.ID, reason string) error {
	return c.call(ctx, "POST", "/v1/clients/"+url.PathEscape(string(id))+"/disable", reasonRequest{reason}, &nothing{})
}

// Day implements Operator.
func (c *Client) Day(ctx context.Context, day string, closed bool) (*gateway.DayReport, error) {
	var rep gateway.DayReport
	if err := c.call(ctx, "GET", "/v1/day?"+url.Values{"day": {day}, "closed": {strconv.FormatBool(closed)}}.Encode(), nil, &rep); err != nil {
		return nil, err
	}
	return &rep, nil
}

// SpoolList implements Operator.
func (c *Client) SpoolList(ctx context.Context, f Filter) (rows []Row, err error) {
	err = c.call(ctx, "GET", "/v1/spool?"+f.values().Encode(), nil, &rows)
	return rows, err
}

// SpoolShow implements Operator.
func (c *Client) SpoolShow(ctx context.Context, id spool.ID) (item Item, err error) {
	err = c.call(ctx, "GET", "/v1/spool/"+id.String(), nil, &item)
	return item, err
}

// SpoolRetry implements Operator.
func (c *Client) SpoolRetry(ctx context.Context, id spool.ID, reason string) error {
	return c.act(ctx, id, "retry", reason)
}

// SpoolBury implements Operator.
func (c *Client) SpoolBury(ctx context.Context, id spool.ID, reason string) error {
	return c.act(ctx, id, "bury", reason)
}

// SpoolRelease implements Operator.
func (c *Client) SpoolRelease(ctx context.Context, id spool.ID, reason string) error {
	return c.act(ctx, id, "release", reason)
}

func (c *Client) act(ctx context.Context, id spool.ID, verb, reason string) error {
	return c.call(ctx, "POST", "/v1/spool/"+id.String()+"/"+verb, reasonRequest{reason}, &nothing{})
}

// RemoveArchive implements Operator.
func (c *Client) RemoveArchive(ctx context.Context, name, reason string) error {
	return c.call(ctx, "POST", "/v1/archives/"+url.PathEscape(name)+"/remove", reasonRequest{reason}, &nothing{})
}

// PutStatement implements Operator.
func (c *Client) PutStatement(ctx context.Context, id client.ID, name string, kind formats.Kind, content []byte) (spool.ID, error) {
	var a idAnswer
	q := url.Values{"name": {name}}
	if kind != "" {
		q.Set("kind", string(kind))
	}
	path := "/v1/clients/" + url.PathEscape(string(id)) + "/statements?" + q.Encode()
	if content == nil {
		content = []byte{}
	}
	err := c.call(ctx, "POST", path, content, &a)
	return a.ID, err
}

// Evidence implements Operator.
func (c *Client) Evidence(ctx context.Context, id spool.ID) ([]byte, error) {
	var out struct {
		Package []byte `json:"package"`
	}
	err := c.call(ctx, "GET", "/v1/spool/"+id.String()+"/evidence", nil, &out)
	return out.Package, err
}
