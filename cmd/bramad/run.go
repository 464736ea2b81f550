package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/admin"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/config"
	"github.com/brama-gateway/brama/gateway/engine"
	"github.com/brama-gateway/brama/gateway/folder"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/gateway/outbox"
	"github.com/brama-gateway/brama/gateway/processor"
	"github.com/brama-gateway/brama/gateway/processor/handoff"
	"github.com/brama-gateway/brama/gateway/sdnotify"
	"github.com/brama-gateway/brama/gateway/sftpd"
	"github.com/brama-gateway/brama/gateway/watch"
	"github.com/brama-gateway/brama/spool"
)

// Exit codes (docs/bramad.md).
const (
	exitOK     = 0
	exitFailed = 1 // it ran and had to stop, or could not start
	exitUsage  = 2 // wrong arguments or configuration
)

// run is the whole daemon: it returns when ctx ends and everything has drained.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, hangup <-chan os.Signal) int {
	flags := flag.NewFlagSet("bramad", flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := flags.String("config", "", "configuration `file`; else $BRAMA_CONFIG, else /etc/brama/brama.yaml")
	check := flags.Bool("check", false, "check the configuration and exit")
	version := flags.Bool("version", false, "print the version and exit")
	if err := flags.Parse(args); err != nil {
		return exitUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "bramad: unexpected argument %q; see bramad -help\n", flags.Arg(0))
		return exitUsage
	}
	if *version {
		fmt.Fprintln(stdout, "bramad", buildVersion())
		return exitOK
	}
	cfg, err := loadConfig(config.Path(*file))
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	if *check {
		fmt.Fprintf(stdout, "%s: the configuration holds\n", cfg.File())
		return exitOK
	}
	level := zap.NewAtomicLevel()
	log := newLog(cfg, level, stderr)
	defer log.Sync()

	d, err := open(ctx, cfg, level, log)
	if err != nil {
		log.Error("not started", zap.Error(err))
		fmt.Fprintf(stderr, "bramad: %v\n", err)
		return exitFailed
	}
	err = d.serve(ctx, stdout, hangup)
	if err = errors.Join(err, d.Store.Close()); err != nil {
		log.Error("stopped by a fault", zap.Error(err))
		return exitFailed
	}
	log.Info("stopped")
	return exitOK
}

// daemon is everything that runs, in the order in which a document meets it.
type daemon struct {
	cfg     *config.Config // that it was started with: what needs a restart is read here
	level   zap.AtomicLevel
	log     *zap.Logger
	notify  sdnotify.Notifier
	started time.Time

	live         atomic.Pointer[config.Config] // of the last reload: what may change is read here
	rescheduled  chan struct{}                 // live has another schedule
	reloading    sync.Mutex                    // one reload at a time
	closed       atomic.Pointer[gateway.DayReport]
	backupFault  atomic.Pointer[error]    // of the last scheduled backup
	archiveFault atomic.Pointer[error]    // of the last scheduled run of archives
	restart      atomic.Pointer[[]string] // keys that the file has changed and only a restart applies

	*engine.Engine
	journal *journal.Journal

	listener  net.Listener
	sftp      *sftpd.Server
	watch     *watch.Watch
	outbox    *outbox.Outbox
	processor *processor.Server
	handoff   *handoff.Handoff
	providers []*watched // crypto providers that are asked
	sockets   struct{ processor, admin net.Listener }
}

// open brings everything into being, without starting it.
func open(ctx context.Context, cfg *config.Config, level zap.AtomicLevel, log *zap.Logger) (*daemon, error) {
	d := &daemon{cfg: cfg, level: level, log: log, notify: sdnotify.New(os.Getenv), started: time.Now(), rescheduled: make(chan struct{}, 1)}
	d.live.Store(cfg)
	debug.SetGCPercent(400) // uploads make garbage faster than anything else; memory is bounded by the limits

	if err := awaitSeal(ctx, cfg, log); err != nil {
		return nil, err
	}
	var err error
	if d.Engine, err = engine.Open(ctx, cfg, log); err != nil {
		return nil, err
	}
	d.watchProviders()
	if err = d.openJournal(); err == nil {
		err = d.openEntrances()
	}
	if err == nil {
		err = d.openExits()
	}
	if err != nil {
		return nil, errors.Join(err, d.Store.Close())
	}
	return d, nil
}

// openEntrances makes the two ways in.
func (d *daemon) openEntrances() error {
	hostKeys, err := sftpd.LoadHostKeys(d.cfg.SSH.HostKeys...)
	if err != nil {
		return err
	}
	if d.listener, err = inheritedListener(); err != nil {
		return err
	}
	if d.listener == nil {
		if d.listener, err = net.Listen("tcp", d.cfg.Listen.SFTP); err != nil {
			return fmt.Errorf("listen.sftp: %w", err)
		}
	}
	d.sftp, err = sftpd.New(sftpd.Options{
		Listeners: []net.Listener{d.listener}, HostKeys: hostKeys,
		Authorize: d.authorize, Desk: d.Core.Desk, Log: d.log.Named("sftp"),
		Limits: sftpd.Limits{Connections: d.cfg.Limits.Connections, Sessions: d.cfg.Limits.ClientConnections, FileSize: int64(d.cfg.Limits.File)},
	})
	if err != nil || d.cfg.Clients.Root == "" {
		return err
	}
	d.watch, err = watch.New(watch.Options{
		Clients: d.folders, Desk: d.folderDesk, Known: d.Core,
		Whole:     gateway.Whole,
		Temporary: d.temporary, Signature: gateway.SignedName,
		Stable: d.cfg.Intake.Stable, Log: d.log.Named("folders"),
	})
	return err
}

// openExits makes the ways out, and the operator's door.
func (d *daemon) openExits() (err error) {
	if d.cfg.Clients.Root != "" {
		d.outbox, err = outbox.New(outbox.Options{
			Clients: d.folders, Mail: mail{d.Core}, Desk: d.folderDesk, Changes: d.Core.Changes, Log: d.log.Named("outbox"),
		})
		if err != nil {
			return err
		}
	}
	speaking := processor.Options{Core: d.Core, Socket: d.cfg.Processor.Socket, Log: d.log.Named("processor")}
	if d.cfg.Processor.Handoff != "" {
		if d.handoff, err = handoff.New(handoff.Options{Core: d.Core, Dir: d.cfg.Processor.Handoff, Log: d.log.Named("handoff")}); err != nil {
			return err
		}
		speaking.Asked = d.handoff.Yield
	}
	if d.processor, err = processor.New(speaking); err != nil {
		return err
	}
	if d.sockets.processor, err = d.processor.Listen(); err != nil {
		return err
	}
	d.sockets.admin, err = admin.Listen(d.cfg.Admin.Socket)
	return err
}

// serve runs everything until ctx ends, then drains: first the doors close, then
// the core finishes what it has begun. What was acknowledged is on disk.
func (d *daemon) serve(ctx context.Context, stdout io.Writer, hangup <-chan os.Signal) error {
	core := newGroup(context.WithoutCancel(ctx))
	if d.Evidence != nil {
		core.start("trust", d.Evidence.Run)
	}
	core.start("core", d.Core.Run)
	core.start("alive", d.alive)
	core.start("journal", d.journal.Run)

	if d.cfg.Journal.Witness.URL != "" {
		core.start("witness", func(ctx context.Context) error { return d.journal.RunWitness(ctx, 10*time.Second) })
	}

	doors := newGroup(ctx)
	doors.start("sftp", d.sftp.Serve)
	doors.start("processor", func(ctx context.Context) error { return d.processor.Run(ctx, d.sockets.processor) })
	op := &admin.Server{Operator: &admin.Local{Core: d.Core, Describe: d.describe, Renew: d.reload}, Log: d.log.Named("admin")}
	doors.start("admin", func(ctx context.Context) error { return op.Run(ctx, d.sockets.admin) })
	if d.watch != nil {
		doors.start("folders", d.watch.Run)
		doors.start("outbox", d.outbox.Run)
	}
	if d.handoff != nil {
		doors.start("handoff", d.handoff.Run)
	}
	for _, p := range d.providers {
		doors.start(p.name, p.follow)
	}
	doors.start("trust folder", d.followTrust)
	doors.start("schedule", d.schedule)
	doors.start("recheck", d.followRegister)

	fmt.Fprintf(stdout, "READY sftp=%s\n", d.listener.Addr())
	d.tell(d.notify.Ready("sftp " + d.listener.Addr().String()))
	d.log.Info("ready", zap.String("sftp", d.listener.Addr().String()), zap.String("version", buildVersion()))

	for running := true; running; {
		select {
		case <-hangup:
			d.tell(d.notify.Reloading())
			if err := d.reload(ctx); err != nil {
				d.log.Error("not reloaded; the old configuration stays", zap.Error(err))
			}
			d.tell(d.notify.Ready("sftp " + d.listener.Addr().String()))
		case <-doors.ctx.Done(): // asked to stop, or a door has failed
			running = false
		case <-core.ctx.Done():
			running = false
		}
	}
	d.tell(d.notify.Stopping())
	d.log.Info("draining")
	d.Core.Drain()
	err := errors.Join(doors.stop(), core.stop())
	last := d.stopJournal(ctx)
	if errors.Is(err, spool.ErrStopped) {
		return err // that says it all
	}
	return errors.Join(err, last)
}

// tell logs that the service manager could not be told; there is nothing else to do.
func (d *daemon) tell(err error) {
	if err != nil {
		d.log.Warn("service manager not told", zap.Error(err))
	}
}

// reload reads configuration, trust and profiles anew, and applies what may change
// while it runs. What needs a restart stays as it was and is told. A configuration
// that does not hold changes nothing.
func (d *daemon) reload(ctx context.Context) error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	read, err := loadConfig(d.cfg.File())
	if err != nil {
		_, _ = d.Profiles.Refresh() // err has its problems; the status is to have them too
		return err
	}
	before := d.live.Load()
	cfg, restart := d.cfg.Renew(read)
	if err := d.Renew(ctx, cfg); err != nil {
		return err
	}
	d.live.Store(cfg)
	d.sftp.SetFileSize(int64(cfg.Limits.File))
	setLevel(d.level, cfg.Log.Level)
	if cfg.Schedule != before.Schedule {
		select {
		case d.rescheduled <- struct{}{}:
		default: // it has not looked yet
		}
	}
	d.restart.Store(&restart)
	if len(restart) > 0 {
		d.log.Warn("needs a restart: " + strings.Join(restart, ", "))
	}
	d.log.Info("reloaded")
	return nil
}

// alive answers the watchdog, after it has proved that the store can be written,
// or that nothing but space is missing.
func (d *daemon) alive(ctx context.Context) error {
	every := sdnotify.WatchdogEvery(os.Getenv)
	watched := every > 0
	if !watched {
		every = 30 * time.Second
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
		switch err := d.Store.Probe(ctx); {
		case err == nil:
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, spool.ErrFull):
			// Being started anew makes no space. What is there still goes out.
			d.log.Warn("the disk of the store is nearly full: new documents are refused", zap.Error(err))
		case errors.Is(err, spool.ErrStopped):
			return err // it does not come back by itself; a new start may
		default:
			d.log.Error("the store cannot be written", zap.Error(err))
			continue
		}
		switch changed, err := d.Profiles.Refresh(); {
		case err != nil:
			d.log.Error("profiles that do not hold; those before stay", zap.Error(err))
		case changed:
			d.log.Info("profiles read anew")
		}
		if watched {
			d.tell(d.notify.Alive())
		}
	}
}

// authorize looks the key up in the register of the moment.
func (d *daemon) authorize(user string, blob []byte, addr net.Addr) (client.ID, bool) {
	from, _ := netip.ParseAddrPort(addr.String()) // the zero address where it cannot be read
	e := d.Core.Register().ByID(client.ID(user))
	if e == nil || e.Disabled || !e.Allows(from.Addr()) || !e.HasKey(blob) {
		return "", false
	}
	return e.ID, true
}

// followRegister ends the sessions of those whom a change of the register shuts out.
func (d *daemon) followRegister(ctx context.Context) error {
	seen := d.Core.Register()
	for {
		changes := d.Core.Changes()
		if now := d.Core.Register(); now != seen {
			seen = now
			d.sftp.Recheck()
		}
		select {
		case <-changes:
		case <-ctx.Done():
			return nil
		}
	}
}

// folders are the watched ones of the moment.
func (d *daemon) folders() []folder.Client {
	var out []folder.Client
	for _, e := range d.Core.Register().All() {
		if e.Folder && !e.Disabled {
			out = append(out, folder.Client{ID: e.ID, Dir: filepath.Join(d.cfg.Clients.Root, string(e.ID))})
		}
	}
	return out
}

func (d *daemon) folderDesk(id client.ID) gateway.Desk {
	return d.Core.Desk(gateway.Origin{Client: id, Entrance: "folder", Session: "folder"})
}

func (d *daemon) temporary(name string) bool {
	_, temporary := gateway.Temporary(name, d.Core.Settings().Temporary)
	return temporary
}

// describe adds to the status what the core does not know.
func (d *daemon) describe(s *admin.Status) {
	s.Version, s.Started = buildVersion(), d.started.UTC()
	s.SFTP, s.Sessions = d.listener.Addr().String(), d.sftp.Sessions()
	d.describeJournal(s)
	d.describeTrust(s)
	for _, p := range d.providers {
		p.describe(s)
	}
	s.Warnings = append(s.Warnings, listWarnings(d.Trust.Expiring(time.Now()))...)
	if rep := d.closed.Load(); rep != nil && rep.Missing() > 0 {
		s.Warnings = append(s.Warnings, admin.Warning{Code: "NUMBERS", Text: formats.Text{
			UK: "У нумерації виписок є пропуски: bramactl reconcile " + rep.Day + " --closed",
			EN: "Numbers of statements are missing: bramactl reconcile " + rep.Day + " --closed",
		}})
	}
	if err := d.backupFault.Load(); err != nil && *err != nil {
		s.Warnings = append(s.Warnings, admin.Warning{Code: "BACKUP", Text: formats.Text{
			UK: "Остання резервна копія не вдалася: " + (*err).Error(),
			EN: "The last backup failed: " + (*err).Error(),
		}})
	}
	if err := d.archiveFault.Load(); err != nil && *err != nil {
		s.Warnings = append(s.Warnings, admin.Warning{Code: "ARCHIVE", Text: formats.Text{
			UK: "Старі місяці не перенесено до архіву (документи лишаються у сховищі): " + (*err).Error(),
			EN: "Old months were not put away (their documents stay in the store): " + (*err).Error(),
		}})
	}
	if wrong := d.Profiles.Problems(); len(wrong) > 0 {
		s.Warnings = append(s.Warnings, admin.Warning{Code: "PROFILES", Text: formats.Text{
			UK: "Профілі з помилками не діють (діють попередні): " + strings.Join(wrong, "; "),
			EN: "Profiles that do not hold are not in force (those before are): " + strings.Join(wrong, "; "),
		}})
	}
	if keys := d.restart.Load(); keys != nil && len(*keys) > 0 {
		s.Warnings = append(s.Warnings, admin.Warning{Code: admin.WarnRestart, Text: formats.Text{
			UK: "Змінено в конфігурації, але потребує перезапуску: " + strings.Join(*keys, ", "),
			EN: "Changed in the configuration, but needs a restart: " + strings.Join(*keys, ", "),
		}})
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(d.cfg.State, &fs); err == nil {
		s.Free = int64(fs.Bavail) * fs.Bsize
	}
	if s.Free < int64(d.cfg.Limits.FreeDisk) {
		s.Taking, s.Reason = false, "disk"
		s.Warnings = append(s.Warnings, admin.Warning{Code: "DISK", Text: formats.Text{
			UK: "Мало місця на диску сховища: нові документи не приймаються.",
			EN: "The disk of the store is nearly full: new documents are refused.",
		}})
	}
}

// group is goroutines that stop together: the first that fails ends the others.
type group struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	wait   sync.WaitGroup
	mu     sync.Mutex
	errs   []error
}

func newGroup(ctx context.Context) *group {
	g := &group{}
	g.ctx, g.cancel = context.WithCancelCause(ctx)
	return g
}

func (g *group) start(name string, run func(context.Context) error) {
	g.wait.Go(func() {
		err := run(g.ctx)
		if err != nil && !errors.Is(err, context.Canceled) {
			err = fmt.Errorf("%s: %w", name, err)
			g.mu.Lock()
			g.errs = append(g.errs, err)
			g.mu.Unlock()
			g.cancel(err)
		}
	})
}

func (g *group) stop() error {
	g.cancel(nil)
	g.wait.Wait()
	return errors.Join(g.errs...)
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
