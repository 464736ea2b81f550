package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway/admin"
	"github.com/brama-gateway/brama/spool"
)

// Exit codes, the same for every command (docs/bramactl.md).
const (
	exitYes       = 0 // done; accepted; TOTAL-PASSED
	exitNo        = 1 // refused: rejected, TOTAL-FAILED, a wrong entry, no such item
	exitUndecided = 2 // held; INDETERMINATE
	exitCouldNot  = 3 // wrong usage, an unreadable file, no daemon
)

// command is one row of `bramactl help`.
type command struct {
	name  string // one or two words
	usage string // what follows the name
	short formats.Text
	run   func(c *call, args []string) error
}

// call is one run of the tool: where it writes, and what every command knows.
type call struct {
	context.Context
	command        *command
	env            func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer

	lang   string
	config string
	socket string
	json   bool
}

// verdict ends a command that has said all it had to say with a code other than 0.
type verdict int

func (v verdict) Error() string { return fmt.Sprintf("exit code %d", int(v)) }

// usageError is a wrong way to call; the usage line is shown with it.
type usageError struct{ error }

func run(ctx context.Context, args []string, env func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	c := &call{Context: ctx, env: env, stdin: stdin, stdout: stdout, stderr: stderr, lang: locale(env)}
	err := c.dispatch(args)
	var code verdict
	var usage usageError
	switch {
	case err == nil:
		return exitYes
	case errors.As(err, &code):
		return int(code)
	case errors.Is(err, flag.ErrHelp):
		c.help(c.stdout)
		return exitYes
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "bramactl: %s\n", printable(err.Error()))
		c.usage(stderr)
		return exitCouldNot
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(stderr, "bramactl: %s\n", printable(strings.TrimRight(line, "\n")))
	}
	if hint := c.hint(err); hint != "" {
		fmt.Fprintf(stderr, "bramactl: %s\n", hint)
	}
	for _, no := range []error{admin.ErrInvalid, spool.ErrNotFound, spool.ErrConflict, spool.ErrExists} {
		if errors.Is(err, no) {
			return exitNo
		}
	}
	return exitCouldNot
}

// hint says what to do next, where that is not in the error itself.
func (c *call) hint(err error) string {
	switch {
	case errors.Is(err, admin.ErrNoDaemon):
		return c.t("запустіть bramad (systemctl start bramad) або вкажіть конфігурацію: --config ФАЙЛ",
			"start bramad (systemctl start bramad), or name its configuration: --config FILE")
	case errors.Is(err, spool.ErrConflict):
		return c.t("стан змінився тим часом; перегляньте його ще раз і повторіть",
			"its state changed meanwhile; look again and repeat")
	}
	return ""
}

func (c *call) dispatch(args []string) error {
	top := c.flags()
	if err := top.Parse(args); err != nil {
		return c.flagError(err)
	}
	args = top.Args()
	if len(args) == 0 {
		return usageError{errors.New(c.t("вкажіть команду", "name a command"))}
	}
	if args[0] == "help" {
		if cmd := lookup(args[1:]); cmd != nil {
			c.command = cmd
		}
		return flag.ErrHelp
	}
	cmd := lookup(args)
	if cmd == nil {
		return usageError{fmt.Errorf("%s: %s", strings.Join(args[:min(2, len(args))], " "), c.t("немає такої команди", "no such command"))}
	}
	c.command = cmd
	return cmd.run(c, args[len(strings.Fields(cmd.name)):])
}

// lookup finds the command that the words begin with.
func lookup(words []string) *command {
	for n := min(2, len(words)); n > 0; n-- {
		name := strings.Join(words[:n], " ")
		for i := range commands {
			if commands[i].name == name {
				return &commands[i]
			}
		}
	}
	return nil
}

// flags has what every command takes, with what was given before the command's name.
func (c *call) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("bramactl", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&c.config, "config", c.config, "")
	fs.StringVar(&c.socket, "socket", c.socket, "")
	fs.StringVar(&c.lang, "lang", c.lang, "")
	fs.BoolVar(&c.json, "json", c.json, "")
	return fs
}

// parse reads flags and arguments in any order, as DESIGN 8 writes them (verify
// FILE --anchor FILE), and wants from min to max arguments; max < 0: any number.
func (c *call) parse(fs *flag.FlagSet, args []string, min, max int) ([]string, error) {
	var rest []string
	for {
		if err := fs.Parse(args); err != nil {
			return nil, c.flagError(err)
		}
		left := fs.Args()
		if len(left) == 0 {
			break
		}
		if used := args[:len(args)-len(left)]; len(used) > 0 && used[len(used)-1] == "--" {
			rest = append(rest, left...)
			break
		}
		rest, args = append(rest, left[0]), left[1:]
	}
	if c.lang != "uk" && c.lang != "en" {
		lang := c.lang
		c.lang = locale(c.env)
		return nil, usageError{fmt.Errorf("--lang %s: uk, en", lang)}
	}
	switch {
	case len(rest) < min:
		return nil, usageError{errors.New(c.t("бракує аргументу", "an argument is missing"))}
	case max >= 0 && len(rest) > max:
		return nil, usageError{fmt.Errorf("%s: %s", rest[max], c.t("зайвий аргумент", "one argument too many"))}
	}
	return rest, nil
}

func (c *call) flagError(err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	return usageError{err}
}

// t chooses the language.
func (c *call) t(uk, en string) string { return formats.Text{UK: uk, EN: en}.In(c.lang) }

func (c *call) printf(format string, args ...any) { fmt.Fprintf(c.stdout, format, args...) }

// writeJSON is the --json output of every command.
func (c *call) writeJSON(v any) error {
	e := json.NewEncoder(c.stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// locale is the language of the environment, as POSIX orders the variables.
func locale(env func(string) string) string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := env(name); v != "" {
			if strings.HasPrefix(v, "uk") {
				return "uk"
			}
			return "en"
		}
	}
	return "en"
}

// printable keeps foreign text (names in certificates, file names) from writing
// escape sequences or reversed text to a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// moment is a flag for a time: RFC 3339, or a date, whose beginning in UTC is meant.
type moment struct{ time.Time }

func (m *moment) String() string { return "" }

func (m *moment) Set(s string) error {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			m.Time = t.UTC()
			return nil
		}
	}
	return errors.New("want a time as 2026-03-31T12:00:00Z or a date as 2026-03-31")
}
