package trust

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/pki"
)

// Bundles are what the makers of signing programs give out: CACertificates.p7b,
// certificates in a SignedData that nobody signed, and CAs.json, the addresses of
// the services of each authority. Since nobody signed them, they are taken only from
// the sysadmin, who has compared their SHA-256 with the one that was published.

// Addresses are where the services of some authorities are reached.
type Addresses struct {
	Issuers []string `json:"issuers"` // common names of the authorities
	OCSP    string   `json:"ocsp,omitempty"`
	TSP     string   `json:"tsp,omitempty"`
	File    string   `json:"file"`
}

const maxAuthorities = 1000

// AddBundle takes a bundle whose SHA-256 is the pinned one. Certificates become
// material; with anchor those of self-signed authorities become anchors, for what
// else is in a bundle has an issuer there. It gives what is new.
func (d *Dir) AddBundle(data []byte, pin [32]byte, anchor bool) (added []Item, addresses []Addresses, err error) {
	if sum := sha256.Sum256(data); sum != pin {
		return nil, nil, fmt.Errorf("trust: the bundle is not the one that is pinned: its SHA-256 is %x", sum)
	}
	if text := bytes.TrimLeft(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), " \t\r\n"); len(text) > 0 && text[0] == '[' {
		if anchor {
			return nil, nil, errors.New("trust: a list of addresses holds no anchors")
		}
		addresses, err = d.addAddresses(data, pin)
		return nil, addresses, err
	}
	der, err := cms.Unarmour(data)
	if err != nil {
		return nil, nil, fmt.Errorf("trust: bundle: %w", err)
	}
	raws, err := cms.Certificates(der)
	if err != nil {
		return nil, nil, fmt.Errorf("trust: bundle: %w", err)
	}
	var material, anchors bytes.Buffer
	for _, raw := range raws {
		c, err := pki.ParseCertificate(raw)
		if err != nil {
			continue // a bundle of twenty years holds odd ones; they are believed and looked through by nobody
		}
		out := &material
		if anchor && mayAnchor(c) == nil && c.SelfIssued() && c.SignedBy(c) == nil {
			out = &anchors
		}
		if err := pem.Encode(out, &pem.Block{Type: "CERTIFICATE", Bytes: raw}); err != nil {
			return nil, nil, err
		}
	}
	if material.Len()+anchors.Len() == 0 {
		return nil, nil, errors.New("trust: there is no certificate in the bundle")
	}
	for _, part := range []struct {
		content []byte
		anchor  bool
	}{{material.Bytes(), false}, {anchors.Bytes(), true}} {
		if len(part.content) == 0 {
			continue
		}
		items, err := d.Add(part.content, part.anchor)
		added = append(added, items...)
		if err != nil {
			return added, nil, err
		}
	}
	return added, nil, nil
}

func (d *Dir) addAddresses(data []byte, pin [32]byte) ([]Addresses, error) {
	list, err := parseAddresses(data)
	if err != nil {
		return nil, fmt.Errorf("trust: bundle: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	path := filepath.Join(d.path, "bundles", hex.EncodeToString(pin[:])+".json")
	if err := write(path, data); err != nil {
		return nil, fmt.Errorf("trust file %s: %w", path, err)
	}
	for i := range list {
		list[i].File = path
	}
	_, err = d.reload()
	return list, err
}

// addresses reads a file of bundles/, whose name is its SHA-256.
func (r *reading) addressFile(f file) error {
	if f.err != nil {
		return f.err
	}
	data, err := readFile(f.path)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:])+".json" != filepath.Base(f.path) {
		return errors.New("is not what was added: its SHA-256 is another")
	}
	list, err := parseAddresses(data)
	for i := range list {
		list[i].File = f.path
	}
	r.addresses = append(r.addresses, list...)
	return err
}

// parseAddresses reads CAs.json: of each authority its names and the addresses of
// its services, without a scheme. What else it says is not read.
func parseAddresses(data []byte) ([]Addresses, error) {
	var in []struct {
		Issuers  []string `json:"issuerCNs"`
		OCSP     string   `json:"ocspAccessPointAddress"`
		OCSPPort string   `json:"ocspAccessPointPort"`
		TSP      string   `json:"tspAddress"`
		TSPPort  string   `json:"tspAddressPort"`
	}
	if err := json.Unmarshal(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), &in); err != nil {
		return nil, err
	}
	if len(in) > maxAuthorities {
		return nil, fmt.Errorf("more than %d authorities", maxAuthorities)
	}
	var out []Addresses
	for i, x := range in {
		a := Addresses{Issuers: x.Issuers}
		var err [2]error
		a.OCSP, err[0] = address(x.OCSP, x.OCSPPort)
		a.TSP, err[1] = address(x.TSP, x.TSPPort)
		if e := errors.Join(err[:]...); e != nil {
			return nil, fmt.Errorf("authority %d: %w", i+1, e)
		}
		if a.OCSP != "" || a.TSP != "" {
			out = append(out, a)
		}
	}
	return out, nil
}

// address makes a URL of HOST[/PATH] and a port.
func address(where, port string) (string, error) {
	if where == "" {
		return "", nil
	}
	where = strings.TrimPrefix(where, "http://")
	host, path, _ := strings.Cut(where, "/")
	if host == "" || strings.ContainsFunc(where, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`@?#\"<>`, r) }) {
		return "", fmt.Errorf("%q is no address of a service", where)
	}
	if strings.Trim(port, "0123456789") != "" || len(port) > 5 {
		return "", fmt.Errorf("%q is no port", port)
	}
	if port != "" && port != "80" && !strings.Contains(host, ":") {
		host += ":" + port
	}
	return "http://" + host + "/" + path, nil
}

// Addresses tells where the services of authorities are reached, as bundles say.
// Nothing that they answer is believed for that.
func (d *Dir) Addresses() []Addresses {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.addresses)
}
