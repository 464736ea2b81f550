package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sys/unix"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/gateway/keys"
	"github.com/brama-gateway/brama/gateway/provider"
	"github.com/brama-gateway/brama/gateway/sdnotify"
)

// Exit codes (docs/provider.md).
const (
	exitOK     = 0
	exitFailed = 1 // it ran and had to stop, or could not start
	exitUsage  = 2 // wrong arguments or configuration
	exitPIN    = 3 // the token refused the PIN: starting again would lock it
)

// errPINRefused is wrapped when the token does not take the PIN. It is not tried
// again: a token locks itself after a few wrong ones.
var errPINRefused = errors.New("the token refused the PIN; it is not tried again, because the token would lock itself")

// token is the PKCS #11 side, made by openToken.
type token interface {
	// Key gives one of the configured keys.
	Key(k *keySettings, s *cades.Signer) error
	// Probe says whether the token can be used now.
	Probe(ctx context.Context) error
	Close()
}

// run is the whole program: it returns when ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("brama-signer", flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := flags.String("config", "/etc/brama-signer/signer.yaml", "configuration `file`")
	check := flags.Bool("check", false, "check the configuration and exit; the token is not asked")
	version := flags.Bool("version", false, "print the version and exit")
	if err := flags.Parse(args); err != nil {
		return exitUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "brama-signer: unexpected argument %q; see brama-signer -help\n", flags.Arg(0))
		return exitUsage
	}
	if *version {
		fmt.Fprintln(stdout, "brama-signer", buildVersion())
		return exitOK
	}
	cfg, err := load(*file)
	if err == nil {
		err = cfg.readable()
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	if *check {
		fmt.Fprintf(stdout, "%s: the configuration holds\n", *file)
		return exitOK
	}
	log := newLog(cfg.Log, stderr)
	defer log.Sync()
	// No core file and no debugger of the same user: the PIN passes through here.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		log.Warn("memory is not closed to debuggers", zap.Error(err))
	}
	switch err := serve(ctx, cfg, stdout, log); {
	case errors.Is(err, errPINRefused):
		log.Error("not started", zap.Error(err))
		return exitPIN
	case err != nil:
		log.Error("stopped by a fault", zap.Error(err))
		return exitFailed
	}
	log.Info("stopped")
	return exitOK
}

// readable looks at the files, so that --check tells what the start would.
func (c *settings) readable() error {
	for i := range c.Keys {
		if _, err := c.Keys[i].signer(); err != nil {
			return err
		}
	}
	pin, err := readPIN(c.PINFile, os.Getenv)
	clear(pin)
	return err
}

// signer reads the certificates of a key.
func (k *keySettings) signer() (s cades.Signer, err error) {
	certs, err := keys.Certificates(k.Certificate)
	if err != nil {
		return s, err
	}
	s.Certificate, s.Chain = certs[0], certs[1:]
	for _, f := range k.Chain {
		more, err := keys.Certificates(f)
		if err != nil {
			return s, err
		}
		s.Chain = append(s.Chain, more...)
	}
	return s, nil
}

// serve answers on the socket when every key has proved that it is its certificate's.
func serve(ctx context.Context, cfg *settings, stdout io.Writer, log *zap.Logger) error {
	tok, err := openToken(cfg, log)
	if err != nil {
		return err
	}
	defer tok.Close()
	o := provider.Options{Socket: cfg.Socket, UIDs: cfg.uids, Probe: tok.Probe, Log: log}
	for i := range cfg.Keys {
		s, err := cfg.Keys[i].signer()
		if err != nil {
			return err
		}
		if err := tok.Key(&cfg.Keys[i], &s); err != nil {
			return fmt.Errorf("key %s: %w", cfg.Keys[i].Name, err)
		}
		o.Keys = append(o.Keys, provider.Key{ID: cfg.Keys[i].Name, Signer: s})
	}
	server, err := provider.NewServer(o)
	if err != nil {
		return err
	}
	if err := server.Prove(); err != nil {
		return err
	}
	l, err := server.Listen()
	if err != nil {
		return err
	}
	notify := sdnotify.New(os.Getenv)
	tell := func(err error) {
		if err != nil {
			log.Warn("service manager not told", zap.Error(err))
		}
	}
	fmt.Fprintf(stdout, "READY %s\n", cfg.Socket)
	tell(notify.Ready(fmt.Sprintf("%d keys", len(o.Keys))))
	log.Info("ready", zap.String("socket", cfg.Socket), zap.Int("keys", len(o.Keys)), zap.String("version", buildVersion()))
	err = server.Run(ctx, l)
	tell(notify.Stopping())
	return err
}

func newLog(level string, w io.Writer) *zap.Logger {
	enc := zap.NewProductionEncoderConfig()
	enc.EncodeTime = zapcore.ISO8601TimeEncoder
	at, err := zapcore.ParseLevel(level)
	if err != nil {
		at = zapcore.InfoLevel // the configuration has checked it
	}
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(enc), zapcore.Lock(zapcore.AddSync(w)), at))
}

// buildVersion is what the build wrote into the program.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			v = "devel-" + s.Value[:min(12, len(s.Value))]
		}
	}
	return v
}
