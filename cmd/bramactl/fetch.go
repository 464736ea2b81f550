package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Bounds of what is fetched.
const (
	maxFetch     = 32 << 20 // bytes
	fetchTimeout = time.Minute
)

// readSource reads a file, or fetches what a URL names, through the proxy of the
// environment. Who made it is for the caller to prove.
func (c *call) readSource(source string) ([]byte, error) {
	if !isURL(source) {
		return c.readFile(source)
	}
	ctx, cancel := context.WithTimeout(c, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, source, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", source, resp.Status)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxFetch+1))
	if err == nil && len(b) > maxFetch {
		err = fmt.Errorf("%s: larger than %d bytes", source, maxFetch)
	}
	return b, err
}
