package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway/admin"
	"github.com/brama-gateway/brama/gateway/trust"
)

// listWarnings tells the operator which lists of trusted services have to be
// renewed: without them nobody whom they name is believed.
func listWarnings(lists []trust.List) []admin.Warning {
	var out []admin.Warning
	for _, l := range lists {
		until := l.NextUpdate.Format(time.DateOnly)
		text := formats.Text{
			UK: "Довірчий список NAME (№ N) діє до UNTIL. Оновіть: bramactl trust update",
			EN: "The list of trusted services NAME (No N) speaks until UNTIL. Renew it: bramactl trust update",
		}
		if !l.Counts(time.Now()) {
			text = formats.Text{
				UK: "Довірчий список NAME (№ N) не діє від UNTIL: нікому з нього шлюз не довіряє. Оновіть: bramactl trust update",
				EN: "The list of trusted services NAME (No N) has expired on UNTIL: nobody in it is believed. Renew it: bramactl trust update",
			}
		}
		r := strings.NewReplacer("NAME", l.Name, "UNTIL", until, "No N", "No "+strconv.FormatInt(l.Sequence, 10), "№ N", "№ "+strconv.FormatInt(l.Sequence, 10))
		out = append(out, admin.Warning{Code: "TRUST-LIST", Text: formats.Text{UK: r.Replace(text.UK), EN: r.Replace(text.EN)}})
	}
	return out
}
