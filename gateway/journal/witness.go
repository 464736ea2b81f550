package journal

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A Witness runs on another machine than the gateway. It keeps the newest
// checkpoint of one journal that it has seen, and puts its own signature to another
// only if that continues the same history (THREATS E04). So whoever holds the
// gateway cannot show one history to the treasury and another to a client without
// one of them lacking the witness's signature.
//
// It speaks C2SP tlog-witness (POST /add-checkpoint) and signs as C2SP
// tlog-cosignature, Ed25519 with a time. Its folder:
//
//	key, key.pub    its own, in the form of golang.org/x/mod/sumdb/note (algorithm 4)
//	checkpoints     what it has signed, with both signatures, one after another
type Witness struct {
	log    Key
	signer *cosigner
	now    func() time.Time

	mu    sync.Mutex
	notes *noteFile
	last  Checkpoint
}

// OpenWitness opens the folder of a witness for the journal of a key, and makes its
// key at the first start. name is the witness's own: a schema-less URL without
// spaces or plus signs, as witness.treasury.example/brama.
func OpenWitness(dir, name string, log Key, rand io.Reader, now func() time.Time) (*Witness, error) {
	if log.v == nil || rand == nil || now == nil {
		return nil, errors.New("witness: key of the journal, random source and clock are needed")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	w := &Witness{log: log, now: now}
	var err error
	if w.signer, err = openCosigner(dir, name, rand); err != nil {
		return nil, err
	}
	var tail [][]byte
	if w.notes, tail, err = openNotes(filepath.Join(dir, checkpointsFile)); err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	if len(tail) > 0 {
		if w.last, err = log.Open(tail[len(tail)-1]); err != nil {
			w.notes.f.Close()
			return nil, fmt.Errorf("witness: its last checkpoint is of another journal; use a folder of its own for each: %w", err)
		}
	}
	return w, nil
}

// Key is the witness's public key, as ParseWitnessKey reads it.
func (w *Witness) Key() string { return w.signer.public() }

// Last is the newest checkpoint that it has signed.
func (w *Witness) Last() Checkpoint {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// Close closes its file.
func (w *Witness) Close() error { return w.notes.f.Close() }

// maxAdd bounds a request: a proof of at most 63 hashes and a note.
const maxAdd = 64 << 10

// ServeHTTP answers POST /add-checkpoint: 200 and the signature line; 409 and the
// size it has where the request begins at another; 403 for a checkpoint that the
// journal's key did not sign, 422 for one that does not continue what was signed.
// GET /checkpoint gives the newest that it has signed.
func (w *Witness) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/checkpoint" && r.Method == http.MethodGet:
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.last.Size == 0 {
			http.NotFound(out, r)
			return
		}
		out.Header().Set("Content-Type", "text/plain; charset=utf-8")
		out.Write(w.last.Note)
		return
	case r.URL.Path != "/add-checkpoint":
		http.NotFound(out, r)
		return
	case r.Method != http.MethodPost:
		http.Error(out, "POST only", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(out, r.Body, maxAdd))
	if err != nil {
		http.Error(out, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	line, size, err := w.add(body)
	switch {
	case err == nil:
		out.Header().Set("Content-Type", "text/plain; charset=utf-8")
		out.Write(line)
	case errors.Is(err, errOldSize):
		out.Header().Set("Content-Type", "text/x.tlog.size")
		out.WriteHeader(http.StatusConflict)
		fmt.Fprintf(out, "%d\n", size)
	case errors.Is(err, errForeign):
		http.Error(out, err.Error(), http.StatusForbidden)
	case errors.Is(err, errRequest):
		http.Error(out, err.Error(), http.StatusBadRequest)
	case errors.Is(err, errForked):
		http.Error(out, err.Error(), http.StatusUnprocessableEntity)
	default:
		http.Error(out, "the witness cannot write", http.StatusInternalServerError)
	}
}

var (
	errOldSize = errors.New("the witness has another size")
	errForeign = errors.New("not signed with the journal's key")
	errRequest = errors.New("not a request of tlog-witness")
	errForked  = errors.New("it does not continue the history that was signed")
)

func (w *Witness) add(body []byte) (line []byte, size int64, err error) {
	old, proof, signed, err := parseAdd(body)
	if err != nil {
		return nil, 0, err
	}
	c, err := w.log.Open(signed)
	if err != nil {
		return nil, 0, errForeign
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if old != w.last.Size {
		return nil, w.last.Size, errOldSize
	}
	switch {
	case c.Size < old, c.Size == old && c.Root != w.last.Root:
		return nil, 0, errForked
	case c.Size == 0 || old == 0 || c.Size == old:
		if len(proof) > 0 {
			return nil, 0, errRequest
		}
	default:
		if tlog.CheckTree(proof, c.Size, c.Root, old, w.last.Root) != nil {
			return nil, 0, errForked
		}
	}
	both, line, err := w.signer.cosign(w.log, signed, w.now())
	if err != nil {
		return nil, 0, err
	}
	if c.Size > old {
		// On the disk before anybody has the signature: a witness that forgets could
		// sign two histories.
		if err := w.notes.add(both); err != nil {
			return nil, 0, err
		}
		c.Note = both
		w.last = c
	}
	return line, c.Size, nil
}

func parseAdd(body []byte) (old int64, proof tlog.TreeProof, signed []byte, err error) {
	head, signed, ok := bytes.Cut(body, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	size, isOld := strings.CutPrefix(lines[0], "old ")
	if !ok || !isOld || len(lines) > 1+63 {
		return 0, nil, nil, errRequest
	}
	if old, err = strconv.ParseInt(size, 10, 64); err != nil || old < 0 || strconv.FormatInt(old, 10) != size {
		return 0, nil, nil, errRequest
	}
	for _, l := range lines[1:] {
		h, err := tlog.ParseHash(l)
		if err != nil || h.String() != l {
			return 0, nil, nil, errRequest
		}
		proof = append(proof, h)
	}
	return old, proof, signed, nil
}

// cosigner is an Ed25519 key that signs a note together with the time: C2SP
// tlog-cosignature. cosignature verifies it.
type cosigner struct {
	cosignature
	key ed25519.PrivateKey
}

type cosignature struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

const algCosignature = 4

func newCosignature(name string, key ed25519.PublicKey) cosignature {
	sum := sha256.Sum256(append(append([]byte(name), '\n', algCosignature), key...))
	return cosignature{name, binary.BigEndian.Uint32(sum[:]), key}
}

func (c cosignature) Name() string    { return c.name }
func (c cosignature) KeyHash() uint32 { return c.hash }

// Verify implements note.Verifier.
func (c cosignature) Verify(msg, sig []byte) bool {
	return len(sig) == 8+ed25519.SignatureSize && ed25519.Verify(c.key, cosigned(msg, binary.BigEndian.Uint64(sig)), sig[8:])
}

func cosigned(msg []byte, at uint64) []byte {
	return append(fmt.Appendf(nil, "cosignature/v1\ntime %d\n", at), msg...)
}

func (c cosignature) public() string {
	return fmt.Sprintf("%s+%08x+%s", c.name, c.hash, base64.StdEncoding.EncodeToString(append([]byte{algCosignature}, c.key...)))
}

// atTime signs at one moment: note.Signer has no argument for it.
type atTime struct {
	*cosigner
	at uint64
}

// Sign implements note.Signer.
func (s atTime) Sign(msg []byte) ([]byte, error) {
	return append(binary.BigEndian.AppendUint64(nil, s.at), ed25519.Sign(s.cosigner.key, cosigned(msg, s.at))...), nil
}

// cosign gives the note with both signatures, and the line of the second alone.
func (c *cosigner) cosign(log Key, signed []byte, at time.Time) (both, line []byte, err error) {
	n, err := note.Open(signed, note.VerifierList(log.v))
	if err != nil {
		return nil, nil, err
	}
	n.UnverifiedSigs = nil // whoever else signed it is not known here
	if both, err = note.Sign(n, atTime{c, uint64(at.Unix())}); err != nil {
		return nil, nil, err
	}
	for l := range bytes.Lines(both) {
		if bytes.HasPrefix(l, []byte("— "+c.name+" ")) {
			line = l
		}
	}
	return both, line, nil
}

func openCosigner(dir, name string, rand io.Reader) (*cosigner, error) {
	path := filepath.Join(dir, keyFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if name == "" || strings.ContainsAny(name, " +\n\t") {
			return nil, fmt.Errorf("witness: name %q: want one without spaces and plus signs, as witness.example/brama", name)
		}
		public, key, err := ed25519.GenerateKey(rand)
		if err != nil {
			return nil, fmt.Errorf("witness: %w", err)
		}
		c := &cosigner{newCosignature(name, public), key}
		secret := fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s\n", name, c.hash, base64.StdEncoding.EncodeToString(append([]byte{algCosignature}, key.Seed()...)))
		if err := replace(filepath.Join(dir, publicFile), []byte(c.public()+"\n"), 0o644); err != nil {
			return nil, fmt.Errorf("witness: %w", err)
		}
		if err := replace(path, []byte(secret), 0o600); err != nil {
			return nil, fmt.Errorf("witness: %w", err)
		}
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	parts := strings.SplitN(strings.TrimSpace(string(b)), "+", 5)
	if len(parts) != 5 || parts[0] != "PRIVATE" || parts[1] != "KEY" {
		return nil, fmt.Errorf("witness key %s: not in the form of a note key", path)
	}
	seed, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil || len(seed) != 1+ed25519.SeedSize || seed[0] != algCosignature {
		return nil, fmt.Errorf("witness key %s: not a key for cosignatures", path)
	}
	if name != "" && name != parts[2] {
		return nil, fmt.Errorf("witness: its name is %q since its first start, not %q", parts[2], name)
	}
	key := ed25519.NewKeyFromSeed(seed[1:])
	return &cosigner{newCosignature(parts[2], key.Public().(ed25519.PublicKey)), key}, nil
}

// WitnessKey verifies a witness's signatures.
type WitnessKey struct{ c *cosignature }

// ParseWitnessKey reads what Witness.Key gives.
func ParseWitnessKey(s string) (WitnessKey, error) {
	name, rest, _ := strings.Cut(strings.TrimSpace(s), "+")
	hash, key, _ := strings.Cut(rest, "+")
	b, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(b) != 1+ed25519.PublicKeySize || b[0] != algCosignature || name == "" {
		return WitnessKey{}, errors.New("witness key: not in the form of a note key for cosignatures")
	}
	c := newCosignature(name, b[1:])
	if fmt.Sprintf("%08x", c.hash) != hash {
		return WitnessKey{}, errors.New("witness key: its hash is not that of the key")
	}
	return WitnessKey{&c}, nil
}

// Time is when a witness signed a checkpoint, by its own clock. It is an error if it
// did not.
func (k WitnessKey) Time(signed []byte) (time.Time, error) {
	if k.c == nil {
		return time.Time{}, errors.New("witness key: none given")
	}
	n, err := note.Open(signed, note.VerifierList(k.c))
	if err != nil {
		return time.Time{}, fmt.Errorf("checkpoint: not signed by the witness %s: %w", k.c.name, err)
	}
	sig, err := base64.StdEncoding.DecodeString(n.Sigs[0].Base64)
	if err != nil || len(sig) < 12 {
		return time.Time{}, errCheckpoint
	}
	return time.Unix(int64(binary.BigEndian.Uint64(sig[4:])), 0).UTC(), nil
}

// ErrRefused says that the witness has another history: it was shown one that this
// journal does not continue.
var ErrRefused = errors.New("the witness refuses: it has signed another history of this journal")

// Remote is a witness on another machine.
type Remote struct {
	URL    string // without /add-checkpoint
	Key    WitnessKey
	Client *http.Client
}

// post gives the checkpoint with the witness's signature. has is what the witness
// says it has instead of old, with errOldSize.
func (r *Remote) post(ctx context.Context, log Key, old int64, proof tlog.TreeProof, signed []byte) (both []byte, has int64, err error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "old %d\n", old)
	for _, h := range proof {
		fmt.Fprintf(&b, "%s\n", h)
	}
	b.WriteByte('\n')
	b.Write(signed)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(r.URL, "/")+"/add-checkpoint", &b)
	if err != nil {
		return nil, 0, fmt.Errorf("witness: %w", err)
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	resp, err := r.Client.Do(req)
	if err != nil {
		return nil, 0, fmt.Errorf("witness: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAdd))
	if err != nil {
		return nil, 0, fmt.Errorf("witness: %w", err)
	}
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusConflict:
		has, err := strconv.ParseInt(strings.TrimSpace(string(body)), 10, 64)
		if err != nil || has < 0 {
			return nil, 0, errors.New("witness: its answer to a conflict is no size")
		}
		return nil, has, errOldSize
	case http.StatusUnprocessableEntity:
		return nil, 0, ErrRefused
	default:
		return nil, 0, fmt.Errorf("witness: %s", resp.Status)
	}
	both = append(bytes.Clone(signed), body...)
	if _, err := r.Key.Time(both); err != nil {
		return nil, 0, fmt.Errorf("witness: %w", err)
	}
	_, err = log.Open(both)
	return both, 0, err
}

// Witnessed asks the witness for its signature to the newest checkpoint, and keeps
// that beside the journal, in the file witnessed. It says nothing where there is no
// witness, or it has signed that one. ErrRefused.
func (j *Journal) Witnessed(ctx context.Context) error {
	if j.o.Witness == nil {
		return nil
	}
	j.witnessing.Lock()
	defer j.witnessing.Unlock()
	c := j.Last()
	old := j.witnessed
	for range 3 {
		if c.Size == 0 || old == c.Size {
			return nil
		}
		if old > c.Size {
			return fmt.Errorf("%w: %d rows, here are %d", ErrRefused, old, c.Size)
		}
		proof, err := j.consistency(old, c.Size)
		if err != nil {
			return err
		}
		both, has, err := j.o.Witness.post(ctx, j.key, old, proof, c.Note)
		if errors.Is(err, errOldSize) && has != old {
			old = has // it knows better: the state may be that of a restore
			if has == c.Size {
				// To sign the same again needs no proof, and shows whether it is the same.
				if both, _, err = j.o.Witness.post(ctx, j.key, has, nil, c.Note); err == nil {
					return j.keepWitnessed(c, both)
				}
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		return j.keepWitnessed(c, both)
	}
	return errors.New("witness: it changes its mind about its size")
}

func (j *Journal) keepWitnessed(c Checkpoint, both []byte) error {
	if err := replace(filepath.Join(j.o.Dir, witnessedFile), both, 0o644); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	j.witnessed = c.Size
	return nil
}

func (j *Journal) consistency(old, size int64) (tlog.TreeProof, error) {
	if old == 0 {
		return nil, nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return tlog.ProveTree(size, old, j.tree)
}

// RunWitness asks the witness until ctx ends: after each checkpoint, and again a
// while later where that failed. What it last failed at is WitnessFault.
func (j *Journal) RunWitness(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	said := ""
	for {
		err := j.Witnessed(ctx)
		if ctx.Err() != nil {
			return nil
		}
		j.witnessFault.Store(&err)
		now := ""
		if err != nil {
			now = err.Error()
		}
		if now != said {
			said = now
			if err != nil {
				j.o.Log.Error("no signature of the witness", zap.Error(err))
			} else {
				j.o.Log.Info("the witness signs")
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// WitnessFault is why the newest checkpoint has no signature of the witness: nil
// where it has, or there is no witness.
func (j *Journal) WitnessFault() error {
	if err := j.witnessFault.Load(); err != nil {
		return *err
	}
	return nil
}
