package admin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/classifier"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/spool"
)

// classifierRequest is the body of an import.
type classifierRequest struct {
	Entries []classifier.Entry `json:"entries"`
	From    string             `json:"from,omitempty"`
}

func (l *Local) classifierRow(c *classifier.List) (ClassifierRow, error) {
	text, err := c.Marshal()
	if err != nil {
		return ClassifierRow{}, err
	}
	sum := sha256.Sum256(text)
	r := ClassifierRow{Name: c.Name(), Entries: c.Len(), SHA256: hex.EncodeToString(sum[:])}
	today := formats.KyivDate(l.Core.Now())
	for _, e := range c.Entries() {
		if e.In(today) {
			r.InForce++
		}
	}
	return r, nil
}

// Classifiers implements Operator.
func (l *Local) Classifiers(context.Context) ([]ClassifierRow, error) {
	rows := []ClassifierRow{}
	for _, c := range l.Core.Classifiers().All() {
		r, err := l.classifierRow(c)
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// Classifier implements Operator.
func (l *Local) Classifier(_ context.Context, name string) ([]classifier.Entry, error) {
	c := l.Core.Classifiers().List(name)
	if c == nil {
		return nil, fmt.Errorf("classifier %q: %w", name, spool.ErrNotFound)
	}
	return c.Entries(), nil
}

// ImportClassifier implements Operator.
func (l *Local) ImportClassifier(ctx context.Context, name string, entries []classifier.Entry, from string) (ClassifierRow, error) {
	c, err := l.Core.ImportClassifier(ctx, name, entries, from, by(ctx))
	if errors.Is(err, gateway.ErrClassifier) {
		err = fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err != nil {
		return ClassifierRow{}, err
	}
	return l.classifierRow(c)
}

// Classifiers implements Operator.
func (c *Client) Classifiers(ctx context.Context) (rows []ClassifierRow, err error) {
	err = c.call(ctx, "GET", "/v1/classifiers", nil, &rows)
	return rows, err
}

// Classifier implements Operator.
func (c *Client) Classifier(ctx context.Context, name string) (entries []classifier.Entry, err error) {
	err = c.call(ctx, "GET", "/v1/classifiers/"+url.PathEscape(name), nil, &entries)
	return entries, err
}

// ImportClassifier implements Operator.
func (c *Client) ImportClassifier(ctx context.Context, name string, entries []classifier.Entry, from string) (row ClassifierRow, err error) {
	err = c.call(ctx, "POST", "/v1/classifiers/"+url.PathEscape(name), classifierRequest{entries, from}, &row)
	return row, err
}
