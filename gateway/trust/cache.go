package trust

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/crypto/ocsp"
	"github.com/brama-gateway/brama/crypto/pki"
)

// The cache is two files a CRL, NAME.list (address and what to ask anew with, JSON) and
// NAME.crl, where NAME is a digest of the address; and NAME.ors for each OCSP answer,
// named by its own digest. All of it may be deleted: it is fetched again.

// answersKept is how long files of answers lie in the cache.
const answersKept = 7 * 24 * time.Hour

func (f *Fetcher) saveList(l *list) error {
	if f.o.Cache == "" {
		return nil
	}
	meta, err := json.Marshal(l)
	if err != nil {
		return err
	}
	base := filepath.Join(f.o.Cache, fmt.Sprintf("%x", sha256.Sum256([]byte(l.Address))))
	if err := errors.Join(write(base+".crl", l.crl.Raw), write(base+".list", meta)); err != nil {
		f.log.Warn("CRL not kept in the cache", zap.Error(err))
	}
	return nil
}

func (f *Fetcher) saveAnswer(r *ocsp.Response) error {
	if f.o.Cache == "" {
		return nil
	}
	if err := write(filepath.Join(f.o.Cache, fmt.Sprintf("%x.ors", r.SHA256())), r.Encode()); err != nil {
		f.log.Warn("OCSP answer not kept in the cache", zap.Error(err))
	}
	return nil
}

// load reads the cache. What cannot be read is fetched again.
func (f *Fetcher) load() error {
	if f.o.Cache == "" {
		return nil
	}
	if err := os.MkdirAll(f.o.Cache, 0o755); err != nil {
		return fmt.Errorf("cache of evidence: %w", err)
	}
	entries, err := os.ReadDir(f.o.Cache)
	if err != nil {
		return fmt.Errorf("cache of evidence: %w", err)
	}
	now := f.now()
	for _, e := range entries {
		path := filepath.Join(f.o.Cache, e.Name())
		switch filepath.Ext(path) {
		case ".list":
			if len(f.lists) < maxLists {
				f.loadList(path)
			}
		case ".ors":
			info, err := e.Info()
			if err == nil && now.Sub(info.ModTime()) > answersKept {
				err = os.Remove(path)
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					f.log.Warn("old OCSP answer not removed", zap.Error(err))
				}
				continue
			}
			raw, err := readFile(path)
			if err != nil {
				continue
			}
			if r, err := ocsp.Parse(raw); err == nil {
				f.set.Add(r)
			}
		}
	}
	return nil
}

func (f *Fetcher) loadList(path string) {
	meta, err := readFile(path)
	if err != nil {
		return
	}
	l := &list{}
	if err := json.Unmarshal(meta, l); err != nil || l.Address == "" {
		return
	}
	raw, err := readFile(strings.TrimSuffix(path, ".list") + ".crl")
	if err != nil {
		return
	}
	if l.crl, err = pki.ParseCRL(raw); err != nil {
		return
	}
	l.size, l.Fetched = len(raw), time.Time{} // asked for anew at once
	f.lists[l.Address] = l
}
