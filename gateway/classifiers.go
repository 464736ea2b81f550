package gateway

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/formats/classifier"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
)

// classifierBucket holds the classifiers in the spool, a value a list.
const classifierBucket = journal.BucketClassifiers

func (g *Gateway) loadClassifiers(ctx context.Context) error {
	var stored map[string][]byte
	err := g.Store.View(ctx, func(r spool.Reader) error {
		var err error
		stored, err = r.Values(classifierBucket)
		return err
	})
	if err != nil {
		return err
	}
	var lists []*classifier.List
	for name, text := range stored {
		l, err := classifier.ParseStored(text)
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		lists = append(lists, l)
	}
	g.classifiers.Store(classifier.NewSet(lists...))
	return nil
}

// Classifiers are the code lists in force. The set is immutable.
func (g *Gateway) Classifiers() *classifier.Set { return g.classifiers.Load() }

// ErrClassifier is wrapped by what is wrong with a list that is imported.
var ErrClassifier = errors.New("classifier")

// ImportClassifier makes entries the list's from the day from on (ISO 8601; empty:
// they are the whole list). The list and its journal record are one transaction;
// what is examined from then on is held to it.
func (g *Gateway) ImportClassifier(ctx context.Context, name string, entries []classifier.Entry, from, by string) (*classifier.List, error) {
	g.applying.Lock()
	defer g.applying.Unlock()
	old := g.Classifiers().List(name)
	var list *classifier.List
	var err error
	if old == nil {
		list, err = classifier.New(name, entries)
	} else {
		list, err = old.Replace(entries, from)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrClassifier, err)
	}
	text, err := list.Marshal()
	if err != nil {
		return nil, err
	}
	err = g.Store.Update(ctx, func(tx spool.Tx) error {
		before, err := tx.Value(classifierBucket, name)
		if err != nil && !errors.Is(err, spool.ErrNotFound) {
			return err
		}
		if err := tx.SetValue(classifierBucket, name, text); err != nil {
			return err
		}
		rec := journalRecord{Name: name, SHA256: hexSHA256(text), By: by}
		if before != nil {
			rec.Replaced = hexSHA256(before)
		}
		return g.journal(tx, 0, g.Now(), journal.ClassifierSet, rec)
	})
	if err != nil {
		return nil, err
	}
	g.classifiers.Store(g.Classifiers().With(list))
	g.Log.Info("classifier imported", zap.String("list", name), zap.Int("codes", list.Len()), zap.String("by", by))
	return list, nil
}
