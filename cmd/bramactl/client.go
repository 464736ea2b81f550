package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway/admin"
	"github.com/brama-gateway/brama/gateway/client"
)

func clientApply(c *call, args []string) error {
	var from list
	var dryRun bool
	fs := c.flags()
	fs.Var(&from, "f", "")
	fs.BoolVar(&dryRun, "dry-run", false, "")
	if _, err := c.parse(fs, args, 0, 0); err != nil {
		return err
	}
	if len(from) == 0 {
		return usageError{errors.New(c.t("вкажіть файл реєстру: -f ФАЙЛ", "name a register file: -f FILE"))}
	}
	files, err := c.registerFiles(from)
	if err != nil {
		return err
	}
	op, done, err := c.operator()
	if err != nil {
		return err
	}
	defer done()
	changes, err := op.ApplyClients(c, files, dryRun)
	if err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(changes)
	}
	c.printChanges(changes, dryRun)
	return nil
}

// registerFiles reads files, and of folders every .yaml and .yml; "-" is the
// standard input.
func (c *call) registerFiles(from []string) ([]admin.File, error) {
	var names []string
	for _, name := range from {
		info, err := os.Stat(name)
		if name == "-" || err == nil && !info.IsDir() {
			names = append(names, name)
			continue
		}
		if err != nil {
			return nil, err
		}
		var found []string
		for _, pattern := range []string{"*.yaml", "*.yml"} {
			more, err := filepath.Glob(filepath.Join(escapeGlob(name), pattern))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			found = append(found, more...)
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%s: %s", name, c.t("немає файлів .yaml", "no .yaml files there"))
		}
		slices.Sort(found)
		names = append(names, found...)
	}
	files := make([]admin.File, len(names))
	for i, name := range names {
		b, err := c.readFile(name)
		if err != nil {
			return nil, err
		}
		files[i] = admin.File{Name: name, Text: string(b)}
	}
	return files, nil
}

func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

// maxInput bounds what the tool reads into memory.
const maxInput = 256 << 20

// readFile reads a file, or the standard input for "-".
func (c *call) readFile(name string) ([]byte, error) {
	in := c.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxInput {
		return nil, fmt.Errorf("%s: larger than %d MiB", name, maxInput>>20)
	}
	return b, nil
}

// openFile opens a file to be read in place; what is not a regular file, as
// standard input, is read into memory. The file is nil then.
func (c *call) openFile(name string) (*io.SectionReader, *os.File, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, nil, err
		}
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return io.NewSectionReader(f, 0, info.Size()), f, nil
		}
		_ = f.Close() // only read
	}
	b, err := c.readFile(name)
	if err != nil {
		return nil, nil, err
	}
	return io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))), nil, nil
}

func (c *call) printChanges(changes []admin.Change, dryRun bool) {
	count := map[admin.Op]int{}
	for _, ch := range changes {
		count[ch.Op]++
		sign := map[admin.Op]string{admin.Added: "+", admin.Changed: "~", admin.Unchanged: "="}[ch.Op]
		c.printf("%s %s\n", sign, ch.Client)
		for _, f := range ch.Fields {
			c.printf("    %s\n", printable(client.Change(f).String()))
		}
	}
	done := c.t("внесено до реєстру", "now in the register")
	if dryRun {
		done = c.t("лише показано, нічого не змінено", "shown only, nothing was changed")
	}
	c.printf(c.t("нових %d, змінених %d, без змін %d: %s\n", "%d new, %d changed, %d as they were: %s\n"),
		count[admin.Added], count[admin.Changed], count[admin.Unchanged], done)
}

func clientList(c *call, args []string) error {
	if _, err := c.parse(c.flags(), args, 0, 0); err != nil {
		return err
	}
	op, done, err := c.operator()
	if err != nil {
		return err
	}
	defer done()
	rows, err := op.Clients(c)
	if err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(rows)
	}
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, c.t("КЛІЄНТ\tЄДРПОУ\tКЛЮЧІВ\tПІДПИСУВАЧІВ\tПАПКА\tНАЗВА", "CLIENT\tEDRPOU\tKEYS\tSIGNATORIES\tFOLDER\tNAME"))
	for _, r := range rows {
		name, folder := printable(r.Name), c.t("ні", "no")
		if r.Disabled {
			name += c.t(" (закрито)", " (disabled)")
		}
		if r.Folder {
			folder = c.t("так", "yes")
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\n", r.ID, r.EDRPOU, r.Keys, r.Signatories, folder, name)
	}
	return w.Flush()
}

func clientShow(c *call, args []string) error {
	rest, err := c.parse(c.flags(), args, 1, 1)
	if err != nil {
		return err
	}
	op, done, err := c.operator()
	if err != nil {
		return err
	}
	defer done()
	text, err := op.Client(c, client.ID(rest[0]))
	if err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(struct {
			YAML string `json:"yaml"`
		}{text})
	}
	c.printf("%s", text)
	return nil
}

func clientExport(c *call, args []string) error {
	if _, err := c.parse(c.flags(), args, 0, 0); err != nil {
		return err
	}
	op, done, err := c.operator()
	if err != nil {
		return err
	}
	defer done()
	text, err := op.ExportClients(c)
	if err != nil {
		return err
	}
	c.printf("%s", text)
	return nil
}

func clientDisable(c *call, args []string) error {
	id, reason, err := c.named(args)
	if err != nil {
		return err
	}
	return c.act(id, func(op admin.Operator) error { return op.DisableClient(c, client.ID(id), reason) },
		formats.Text{UK: "вхід закрито; сеанси, що тривають, завершено", EN: "shut out; sessions that were open have ended"})
}

// named reads the name of one thing, and the reason for what is to be done to it.
func (c *call) named(args []string) (name, reason string, err error) {
	fs := c.flags()
	fs.StringVar(&reason, "reason", "", "")
	rest, err := c.parse(fs, args, 1, 1)
	if err != nil {
		return "", "", err
	}
	if reason == "" {
		return "", "", c.needReason()
	}
	return rest[0], reason, nil
}

// act has something done to one thing, and says that it is done.
func (c *call) act(name string, do func(admin.Operator) error, said formats.Text) error {
	op, done, err := c.operator()
	if err != nil {
		return err
	}
	defer done()
	if err := do(op); err != nil {
		return err
	}
	c.printf("%s: %s\n", name, said.In(c.lang))
	return nil
}

func (c *call) needReason() error {
	return usageError{errors.New(c.t("вкажіть причину: --reason ТЕКСТ (вона піде до журналу)", "give the reason: --reason TEXT (it goes into the journal)"))}
}
