package main

import (
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/brama-gateway/brama/gateway/admin"
)

func (c *call) printStatus(s admin.Status) {
	taking := c.t("приймає документи", "takes documents")
	if !s.Taking {
		taking = c.t("НЕ приймає документів: ", "takes NO documents: ") + printable(s.Reason)
	}
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	row := func(uk, en, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", c.t(uk, en), fmt.Sprintf(format, args...))
	}
	running := !s.Started.IsZero()
	if running {
		row("Шлюз", "Gateway", "%s, %s", taking, s.Version)
		row("Працює", "Running", "%s (%s)", s.Now.Sub(s.Started).Round(time.Second), s.Started.Format(time.RFC3339))
		row("Порт SFTP", "SFTP port", "%s, %s: %d", s.SFTP, c.t("сеансів", "sessions"), s.Sessions)
	} else {
		row("Шлюз", "Gateway", "%s", c.t("НЕ працює; ось що в його сховищі", "does NOT run; this is what its store holds"))
	}
	row("Клієнти", "Clients", "%d, %s: %d", s.Clients, c.t("папок під наглядом", "watched folders"), s.Folders)
	row("В обробника", "With the processor", "%d", s.Leases)
	if running {
		row("Вільно на диску", "Free on disk", "%d MiB", s.Free>>20)
	}
	if s.Oldest != nil {
		row("Найстаріший незавершений", "Oldest unsettled", "%s (%s)", s.Oldest.Format(time.RFC3339), s.Now.Sub(*s.Oldest).Round(time.Second))
	}
	w.Flush()
	for _, queue := range slices.Sorted(maps.Keys(s.Counts)) {
		c.printf("\n%s\n", queue)
		w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
		for _, state := range slices.Sorted(maps.Keys(s.Counts[queue])) {
			fmt.Fprintf(w, "  %s\t%d\t\n", state, s.Counts[queue][state])
		}
		w.Flush()
	}
	for i, warning := range s.Warnings {
		if i == 0 {
			c.printf("\n%s\n", c.t("Зверніть увагу:", "To be seen to:"))
		}
		c.printf("  %s  %s\n", warning.Code, printable(warning.Text.In(c.lang)))
	}
}

func version(c *call, args []string) error {
	if _, err := c.parse(c.flags(), args, 0, 0); err != nil {
		return err
	}
	v := buildVersion()
	if c.json {
		return c.writeJSON(v)
	}
	c.printf("brama %s %s\n", v.Version, v.Go)
	return nil
}

type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
}

// buildVersion is what the go command wrote into the binary.
func buildVersion() build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return build{Version: "unknown"}
	}
	b := build{Version: info.Main.Version, Go: info.GoVersion}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}
