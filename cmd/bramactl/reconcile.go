package main

import (
	"fmt"
	"strings"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/spool"
)

// reconcile shows a day. It ends with 2 while something is open, and with 1 when
// numbers of statements are missing.
func reconcile(c *call, args []string) error {
	var closed bool
	flags := c.flags()
	flags.BoolVar(&closed, "closed", false, "")
	rest, err := c.parse(flags, args, 0, 1)
	if err != nil {
		return err
	}
	op, done, err := c.operator()
	if err != nil {
		return err
	}
	defer done()
	rep, err := op.Day(c, strings.Join(rest, ""), closed)
	if err != nil {
		return err
	}
	if c.json {
		if err := c.writeJSON(rep); err != nil {
			return err
		}
	} else {
		c.printDay(rep)
	}
	switch {
	case rep.Missing() > 0:
		return verdict(exitNo)
	case rep.Open() > 0:
		return verdict(exitUndecided)
	}
	return nil
}

func (c *call) printDay(rep *gateway.DayReport) {
	as := c.t("на цей час", "as of now")
	if rep.Closed != nil {
		as = fmt.Sprintf(c.t("закрито %s", "closed %s"), when(*rep.Closed))
	}
	c.printf(c.t("День %s (%s): одержано %d%s, відкритих %d, виписок %d\n", "Day %s (%s): received %d%s, open %d, statements %d\n"),
		rep.Day, as, rep.Received, states(rep.States), rep.Open(), rep.Released)
	for _, d := range rep.Clients {
		c.printf("\n%s: ", d.Client)
		c.printf(c.t("одержано %d%s", "received %d%s"), d.Received, states(d.States))
		if d.Released > 0 {
			c.printf(c.t("; виписок %d, номери %d-%d", "; statements %d, numbers %d-%d"), d.Released, d.First, d.Last)
		}
		c.printf("\n")
		for _, o := range d.Open {
			c.printf("  %s  %-9s %s  %s %s\n", o.Submission, o.State, when(o.Received), printable(o.Document), printable(o.Number))
		}
		if len(d.Missing) > 0 {
			c.printf(c.t("  НЕМАЄ виписок з номерами: %v\n", "  MISSING statements with numbers: %v\n"), d.Missing)
		}
	}
}

// states spells counts as " (processed 3, returned 1)", in the order in which an
// item meets them.
func states(counts map[spool.State]int) string {
	var words []string
	for _, s := range gateway.States(gateway.Submissions) {
		if n := counts[s]; n > 0 {
			words = append(words, fmt.Sprintf("%s %d", s, n))
		}
	}
	if len(words) == 0 {
		return ""
	}
	return " (" + strings.Join(words, ", ") + ")"
}
