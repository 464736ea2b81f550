package dbf

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// Table describes a table that is written.
type Table struct {
	Version  byte // 0x03
	Language byte // language driver byte
	LongChar bool // C fields over 254 have the high byte of their length in "decimals", as Clipper does
	Date     time.Time
	Count    int // records that will follow
	Fields   []Field
}

// Check says what makes the description impossible; a Reader would refuse such a table.
func (t *Table) Check() error {
	if len(t.Fields) == 0 || len(t.Fields) > maxFields {
		return fmt.Errorf("dbf: %d fields: want 1 to %d", len(t.Fields), maxFields)
	}
	sum := 1
	for i, f := range t.Fields {
		sum += f.Length
		for _, g := range t.Fields[:i] {
			if bytes.EqualFold([]byte(f.Name), []byte(g.Name)) {
				return fmt.Errorf("dbf: field %q: stands twice", f.Name)
			}
		}
		long := f.Type == 'C' && f.Length > 255
		if long && !t.LongChar {
			return fmt.Errorf("dbf: field %q: longer than 255, which needs the Clipper way", f.Name)
		}
		if f.Length < 1 || f.Length > maxRecord || f.Decimals < 0 || f.Decimals > 30 || f.Type == 'C' && f.Decimals != 0 {
			return fmt.Errorf("dbf: field %q: length or decimals are impossible", f.Name)
		}
		if _, err := parseField(t.describe(f), 0, t.LongChar); err != nil {
			return fmt.Errorf("dbf: field %q: %w", f.Name, err)
		}
	}
	if sum > maxRecord {
		return fmt.Errorf("dbf: a record of %d bytes: at most %d", sum, maxRecord)
	}
	return nil
}

func (t *Table) describe(f Field) []byte {
	b := make([]byte, fieldSize)
	copy(b[:10], f.Name)
	b[11], b[16], b[17] = f.Type, byte(f.Length), byte(f.Decimals)
	if f.Type == 'C' && t.LongChar {
		b[17] = byte(f.Length >> 8)
	}
	return b
}

// Writer writes the records of a table as a stream.
type Writer struct {
	table  Table
	to     *bufio.Writer
	record []byte
	wrote  int
}

// NewWriter writes the header of t.
func NewWriter(to io.Writer, t Table) (*Writer, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	length := 1
	for _, f := range t.Fields {
		length += f.Length
	}
	var h [headerSize]byte
	h[0], h[1], h[2], h[3], h[29] = t.Version, byte(t.Date.Year()%100), byte(t.Date.Month()), byte(t.Date.Day()), t.Language
	if t.Date.Year() >= 2000 {
		h[1] += 100 // years since 1900, as dBase counts
	}
	binary.LittleEndian.PutUint32(h[4:], uint32(t.Count))
	binary.LittleEndian.PutUint16(h[8:], uint16(headerSize+len(t.Fields)*fieldSize+1))
	binary.LittleEndian.PutUint16(h[10:], uint16(length))
	w := &Writer{table: t, to: bufio.NewWriterSize(to, 64<<10), record: make([]byte, length)}
	_, _ = w.to.Write(h[:]) // the buffer keeps the first error
	for _, f := range t.Fields {
		_, _ = w.to.Write(t.describe(f))
	}
	_ = w.to.WriteByte(0x0D)
	return w, nil
}

// ErrLong is a value that its field cannot hold.
var ErrLong = errors.New("longer than the field")

// Write writes one record: a value for each field, in the page of the table.
// Numbers stand at the right side of their field, everything else at the left.
func (w *Writer) Write(values [][]byte) error {
	if len(values) != len(w.table.Fields) {
		return fmt.Errorf("dbf: %d values for %d fields", len(values), len(w.table.Fields))
	}
	for i := range w.record {
		w.record[i] = ' '
	}
	at := 1
	for i, f := range w.table.Fields {
		v := values[i]
		if len(v) > f.Length {
			return fmt.Errorf("dbf: field %q: %w", f.Name, ErrLong)
		}
		place := w.record[at : at+f.Length]
		if f.Type == 'N' || f.Type == 'F' {
			place = place[len(place)-len(v):]
		}
		copy(place, v)
		at += f.Length
	}
	w.wrote++
	_, err := w.to.Write(w.record)
	return err
}

// Close ends the table. It fails if the header promised another number of records.
func (w *Writer) Close() error {
	if w.wrote != w.table.Count {
		return fmt.Errorf("dbf: %d records written, %d promised", w.wrote, w.table.Count)
	}
	_ = w.to.WriteByte(endOfFile)
	return w.to.Flush()
}
