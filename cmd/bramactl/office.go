package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/processor"
)

// office is a back office as small as it can be: what a processor must do with
// processor.sock (docs/processor.openapi.yaml).
type office struct{ http *http.Client }

func newOffice(socket string) *office {
	var d net.Dialer
	return &office{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", socket) },
	}}}
}

func (o *office) lease(ctx context.Context, max int) ([]gateway.Lease, error) {
	var out processor.LeaseResponse
	err := o.post(ctx, "/v1/leases", map[string]any{"max": max, "wait": "200ms", "ttl": "1m"}, &out)
	return out.Leases, err
}

func (o *office) answer(ctx context.Context, token string, a gateway.Answer) error {
	return o.post(ctx, "/v1/leases/"+url.PathEscape(token)+"/answer", a, nil)
}

func (o *office) post(ctx context.Context, path string, in, out any) error {
	b, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, "POST", "http://processor"+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := o.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("processor.sock %s: %s: %s", path, resp.Status, answer)
	}
	if out == nil || len(answer) == 0 {
		return nil
	}
	return json.Unmarshal(answer, out)
}
