package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brama-gateway/brama/gateway/strict"
)

// settings is the configuration file; docs/provider.md describes each key.
type settings struct {
	Socket  string        `yaml:"socket"`
	Allow   []string      `yaml:"allow"` // users, by name or number
	Module  string        `yaml:"module"`
	Token   tokenName     `yaml:"token"`
	PINFile string        `yaml:"pin_file"`
	Keys    []keySettings `yaml:"keys"`
	Log     string        `yaml:"log"`

	uids []uint32
}

// tokenName finds the token: by its label, or by the slot it is in.
type tokenName struct {
	Label string `yaml:"label"`
	Slot  string `yaml:"slot"`
}

// keySettings is a key of the token, found by label, id or both.
type keySettings struct {
	Name        string   `yaml:"name"` // in the protocol
	Label       string   `yaml:"label"`
	ID          string   `yaml:"id"` // hex
	Certificate string   `yaml:"certificate"`
	Chain       []string `yaml:"chain"`

	id []byte
}

const maxConfig = 1 << 20

// load reads the file. The error is a strict.Problems, or says why it cannot be read.
func load(path string) (*settings, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w; name the file with --config", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	docs, err := strict.Parse(path, data, maxConfig)
	if err != nil {
		return nil, err
	}
	if len(docs) != 1 {
		return nil, strict.Problems{{File: path, Text: "want one document, which begins with socket:"}}
	}
	c := &settings{Log: "info"}
	lines, err := docs[0].Decode(c, time.Local)
	if err != nil {
		return nil, err
	}
	var ps strict.Problems
	c.check(func(key, format string, args ...any) {
		ps = append(ps, strict.Problem{File: path, Line: lines.At(key), Key: key, Text: fmt.Sprintf(format, args...)})
	})
	if err := ps.Err(); err != nil {
		return nil, err
	}
	c.resolve(filepath.Dir(path))
	return c, nil
}

func (c *settings) check(add func(key, format string, args ...any)) {
	for _, s := range []struct{ key, value, want string }{
		{"socket", c.Socket, "a path, as /run/brama-signer/provider.sock"},
		{"module", c.Module, "the token's PKCS #11 library, as /usr/lib/softhsm/libsofthsm2.so"},
		{"pin_file", c.PINFile, "the file that holds the PIN, as " + credentials + "/pin"},
	} {
		if s.value == "" {
			add(s.key, "is missing; write %s", s.want)
		}
	}
	if c.Module != "" && !filepath.IsAbs(c.Module) {
		add("module", "is not a whole path; write one that begins with /, so that no other library is found")
	}
	if (c.Token.Label == "") == (c.Token.Slot == "") {
		add("token", "write either label or slot")
	}
	if c.Token.Slot != "" {
		if _, err := strconv.ParseUint(c.Token.Slot, 10, 64); err != nil {
			add("token.slot", "%q is not a number", c.Token.Slot)
		}
	}
	for i, name := range c.Allow {
		uid, err := uidOf(name)
		if err != nil {
			add(fmt.Sprintf("allow[%d]", i), "%s", err)
		}
		c.uids = append(c.uids, uid)
	}
	if len(c.Keys) == 0 {
		add("keys", "is missing; write at least one key with name, label and certificate")
	}
	var names []string
	for i := range c.Keys {
		k := &c.Keys[i]
		at := fmt.Sprintf("keys[%d]", i)
		if slices.Contains(names, k.Name) {
			add(at+".name", "%q is another key's name already", k.Name)
		}
		names = append(names, k.Name)
		if k.Name == "" {
			add(at+".name", "is missing; write the name that brama.yaml gives in seal.provider.key")
		}
		if k.Label == "" && k.ID == "" {
			add(at, "has neither label nor id; write one, as pkcs11-tool --list-objects shows it")
		}
		var err error
		if k.id, err = hex.DecodeString(k.ID); err != nil {
			add(at+".id", "is not hexadecimal; write as 01 or 3fa9")
		}
		if k.Certificate == "" {
			add(at+".certificate", "is missing; write the file of the key's certificate")
		}
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log) {
		add("log", "%q is not known; write debug, info, warn or error", c.Log)
	}
}

// uidOf gives the number of a user.
func uidOf(name string) (uint32, error) {
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n), nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return 0, fmt.Errorf("user %q is not known here; write a user's name or number", name)
	}
	n, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return 0, errors.New("the user has no number")
	}
	return uint32(n), nil
}

// resolve makes paths go from the folder of the file.
func (c *settings) resolve(dir string) {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	paths := []*string{&c.Socket, &c.PINFile}
	for i := range c.Keys {
		paths = append(paths, &c.Keys[i].Certificate)
		for j := range c.Keys[i].Chain {
			paths = append(paths, &c.Keys[i].Chain[j])
		}
	}
	for _, p := range paths {
		if !filepath.IsAbs(*p) && !strings.HasPrefix(*p, credentials+"/") {
			*p = filepath.Join(dir, *p)
		}
	}
}
