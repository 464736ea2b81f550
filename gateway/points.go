package gateway

import (
	"fmt"
	"strings"

	"github.com/brama-gateway/brama/formats"
)

// point is what one entry of a receipt for people says: one finding, or the same
// finding at several records.
type point struct {
	formats.Finding
	records []int // ascending where the findings are; empty: the file as a whole
}

// points groups findings: the same rule, field and words at several records are
// one point, which stands where the first of them stood.
func points(findings []formats.Finding) []point {
	type same struct {
		rule, field string
		severity    formats.Severity
		message     formats.Text
	}
	at := map[same]int{}
	var list []point
	for _, f := range findings {
		if f.Record <= 0 {
			list = append(list, point{Finding: f})
			continue
		}
		k := same{f.Rule, f.Field, f.Severity, f.Message}
		i, known := at[k]
		if !known {
			i = len(list)
			at[k] = i
			list = append(list, point{Finding: f})
		}
		if p := &list[i]; len(p.records) == 0 || p.records[len(p.records)-1] != f.Record {
			p.records = append(p.records, f.Record)
		}
	}
	return list
}

// ranges writes record numbers shortly, as "3, 7-19, 25".
func ranges(records []int) []string {
	var list []string
	for i := 0; i < len(records); {
		j := i
		for j+1 < len(records) && records[j+1] == records[j]+1 {
			j++
		}
		switch {
		case j == i:
			list = append(list, fmt.Sprint(records[i]))
		case j == i+1:
			list = append(list, fmt.Sprint(records[i]), fmt.Sprint(records[j]))
		default:
			list = append(list, fmt.Sprintf("%d-%d", records[i], records[j]))
		}
		i = j + 1
	}
	return list
}

// Widths of a receipt for people, in characters.
const (
	shortList = 48 // record numbers that stand within the sentence
	wide      = 78 // a line of numbers
)

// point writes one entry. Many record numbers follow the sentence on lines of
// their own, so that neither is lost in the other.
func (w *letter) point(n int, p point, mark string) {
	var where []string
	numbers := ranges(p.records)
	long := false
	switch joined := strings.Join(numbers, ", "); {
	case len(p.records) == 1:
		where = append(where, formats.Text{UK: "запис ", EN: "record "}.In(w.lang)+joined)
	case len(p.records) > 1 && len(joined) <= shortList:
		where = append(where, formats.Text{UK: "записи ", EN: "records "}.In(w.lang)+joined)
	case len(p.records) > 1:
		long = true
		where = append(where, formats.Textf("записів: %d (нижче)", "%d records (below)", len(p.records)).In(w.lang))
	}
	if p.Field != "" && (strings.HasPrefix(p.Rule, "SIG-") || strings.HasPrefix(p.Rule, "ASIC-")) { // it names a file of the submission
		where = append(where, formats.Text{UK: "файл ", EN: "file "}.In(w.lang)+plain(p.Field))
	} else if p.Field != "" {
		where = append(where, formats.Text{UK: "поле ", EN: "field "}.In(w.lang)+plain(p.Field))
	}
	place := ""
	if len(where) > 0 {
		place = strings.Join(where, ", ") + ": "
	}
	w.say("%3d. %s%s%s [%s]", "%3d. %s%s%s [%s]", n, mark, place, plain(p.Message.In(w.lang)), p.Rule)
	if !long {
		return
	}
	line := formats.Text{UK: "     Записи:", EN: "     Records:"}.In(w.lang)
	width := len([]rune(line))
	w.WriteString(line)
	for i, s := range numbers {
		if i < len(numbers)-1 {
			s += ","
		}
		if width+1+len(s) > wide {
			w.WriteString("\n    ")
			width = 4
		}
		w.WriteString(" " + s)
		width += 1 + len(s)
	}
	w.WriteString("\n")
}
