// Package dbf reads dBase III tables as a stream, strictly: whatever two readers
// could understand differently is refused, because the bytes are signed and
// somebody else will read them after us. Nothing is allocated by what the header
// claims; every claim is held against the size of the file first.
//
// The file: a header of 32 bytes (version, date, number of records, length of
// header and of record, language byte), 32 bytes a field (name, type, length,
// decimals), 0x0D, optionally one 0x00 (Clipper), then records of one flag byte
// and the fields, then optionally one 0x1A.
package dbf

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/brama-gateway/brama/formats"
)

const (
	headerSize = 32
	fieldSize  = 32
	maxFields  = 255   // dBase III has 128, Clipper and FoxPro 255
	maxRecord  = 65535 // the header's own word
	endOfFile  = 0x1A
)

// Options are what a layout allows beyond plain dBase III. The zero value allows
// version 0x03 only, and no field longer than 254.
type Options struct {
	// Versions are the first bytes that are allowed; nil: 0x03. 0x83 says that
	// there is a memo file; it is taken only if no field needs one.
	Versions []byte
	// LongChar reads the "decimals" byte of a C field as the high byte of its
	// length, as Clipper does.
	LongChar bool
	// MaxRecords bounds the records; 0: 50000.
	MaxRecords int
}

// Field describes one field.
type Field struct {
	Name     string
	Type     byte // C, N, F, D or L
	Length   int
	Decimals int

	offset int
}

// Error is why a table is refused.
type Error struct {
	Rule   string // DBF-001 ...
	Record int    // from 1; 0: the header
	Field  string
	Offset int64 // in the file
	Text   formats.Text
}

func (e *Error) Error() string {
	return fmt.Sprintf("dbf: offset %d: %s: %s", e.Offset, e.Rule, e.Text.EN)
}

// Finding is the error as a receipt tells it.
func (e *Error) Finding() formats.Finding {
	return formats.Finding{Rule: e.Rule, Severity: formats.Error, Record: e.Record, Field: e.Field, Message: e.Text}
}

// The rules of this package. IDs are never reused.
const (
	RuleTruncated = "DBF-001" // the file ends in the header
	RuleVersion   = "DBF-002" // version byte not allowed
	RuleMemo      = "DBF-003" // memo fields or a memo file
	RuleEncrypted = "DBF-004" // marked encrypted or in the middle of a transaction
	RuleHeader    = "DBF-005" // header length does not fit the fields
	RuleFieldEnd  = "DBF-006" // no 0x0D after the fields
	RuleField     = "DBF-007" // name, type, length or decimals of a field
	RuleDuplicate = "DBF-008" // two fields of one name
	RuleRecordLen = "DBF-009" // record length is not 1 + the fields
	RuleCount     = "DBF-010" // size of the file does not fit the number of records
	RuleTrailing  = "DBF-011" // bytes after the last record
	RuleRecords   = "DBF-012" // too many records
	RuleDeleted   = "DBF-013" // deleted record
	RuleFlag      = "DBF-014" // a record begins with neither a space nor an asterisk
	RuleRead      = "DBF-015" // could not be read
)

// Reader reads the records of a table.
type Reader struct {
	Version  byte
	Language byte // language driver byte: which code page the writer says it used
	Count    int  // records
	Fields   []Field

	records *io.SectionReader
	from    *bufio.Reader // of records; made with the first: a table may be opened only for its header
	length  int64         // of a record
	record  []byte
	at      int   // records read
	offset  int64 // of the record last read
}

// NewReader reads the header of the table in r and holds it against r's size.
// The error is an *Error.
func NewReader(r *io.SectionReader, o Options) (*Reader, error) {
	size := r.Size()
	refuse := func(rule string, offset int64, uk, en string) (*Reader, error) {
		return nil, &Error{Rule: rule, Offset: offset, Text: formats.Text{UK: uk, EN: en}}
	}
	var h [headerSize]byte
	if n, err := r.ReadAt(h[:], 0); n < headerSize {
		if err != nil && !errors.Is(err, io.EOF) {
			return refuse(RuleRead, 0, "Файл не вдалося прочитати. Надішліть його ще раз.", "The file could not be read. Send it again.")
		}
		return refuse(RuleTruncated, int64(n), "Файл обривається в заголовку. Вивантажте його ще раз і надішліть повністю.",
			"The file ends inside its header. Export it again and send the whole file.")
	}
	d := &Reader{Version: h[0], Language: h[29]}
	allowed := o.Versions
	if allowed == nil {
		allowed = []byte{0x03}
	}
	if bytes.IndexByte(allowed, d.Version) < 0 {
		if d.Version&0x80 != 0 || d.Version == 0xF5 {
			return refuse(RuleMemo, 0, "Таблиця потребує окремого файлу приміток (memo), який не підписано. Вивантажте її без полів memo (dBase III).",
				"The table needs a separate memo file, which is not signed. Export it without memo fields (dBase III).")
		}
		return refuse(RuleVersion, 0, "Версія DBF не дозволена для цього макета. Вивантажте файл у форматі dBase III.",
			"This DBF version is not allowed for the layout. Export the file as dBase III.")
	}
	if h[14] != 0 || h[15] != 0 {
		return refuse(RuleEncrypted, 14, "Таблицю позначено як зашифровану або незавершену. Закрийте її у програмі й вивантажте знову.",
			"The table is marked as encrypted or unfinished. Close it in your program and export it again.")
	}
	count := int64(binary.LittleEndian.Uint32(h[4:8]))
	headerLen := int64(binary.LittleEndian.Uint16(h[8:10]))
	recordLen := int64(binary.LittleEndian.Uint16(h[10:12]))
	if headerLen > size {
		return refuse(RuleTruncated, size, "Файл коротший за власний заголовок. Вивантажте його ще раз і надішліть повністю.",
			"The file is shorter than its own header. Export it again and send the whole file.")
	}

	// The header's length fits in a word, and the file has that many bytes.
	n := (headerLen - headerSize - 1) / fieldSize
	over := headerLen - headerSize - 1 - n*fieldSize
	if headerLen < headerSize+1+fieldSize || over > 1 {
		return refuse(RuleHeader, 8, "Довжина заголовка не відповідає переліку полів. Файл пошкоджено: вивантажте його знову.",
			"The header length does not fit the list of fields. The file is damaged: export it again.")
	}
	if n > maxFields {
		return refuse(RuleHeader, 8, "Полів більше, ніж 255.", "There are more than 255 fields.")
	}
	list := make([]byte, headerLen-headerSize)
	if _, err := r.ReadAt(list, headerSize); err != nil && !errors.Is(err, io.EOF) {
		return refuse(RuleRead, headerSize, "Файл не вдалося прочитати. Надішліть його ще раз.", "The file could not be read. Send it again.")
	}
	if list[n*fieldSize] != 0x0D || (over == 1 && list[n*fieldSize+1] != 0) {
		return refuse(RuleFieldEnd, headerSize+n*fieldSize, "Після переліку полів немає ознаки його кінця (0D). Файл пошкоджено: вивантажте його знову.",
			"The list of fields lacks its end mark (0D). The file is damaged: export it again.")
	}
	sum := int64(1)
	for i := range n {
		f, err := parseField(list[i*fieldSize:(i+1)*fieldSize], headerSize+i*fieldSize, o.LongChar)
		if err != nil {
			return nil, err
		}
		for _, g := range d.Fields {
			if strings.EqualFold(f.Name, g.Name) {
				return nil, &Error{
					Rule: RuleDuplicate, Offset: headerSize + i*fieldSize, Field: f.Name,
					Text: formats.Text{UK: "Два поля мають одну назву. Залиште одне.", EN: "Two fields have one name. Keep one of them."},
				}
			}
		}
		f.offset = int(sum)
		sum += int64(f.Length)
		d.Fields = append(d.Fields, f)
	}
	if sum != recordLen || sum > maxRecord {
		return refuse(RuleRecordLen, 10, "Довжина запису не дорівнює сумі довжин полів. Файл пошкоджено: вивантажте його знову.",
			"The record length is not the sum of the fields. The file is damaged: export it again.")
	}

	// count < 2^32 and recordLen < 2^16: the product fits in 63 bits.
	data := size - headerLen
	switch rest := data - count*recordLen; {
	case rest < 0:
		return refuse(RuleCount, 4, "Записів у файлі менше, ніж указано в заголовку: файл обрізано. Надішліть його повністю.",
			"The file has fewer records than its header says: it was cut. Send the whole file.")
	case rest >= recordLen && rest > 1 && !endsAt(r, headerLen+count*recordLen):
		return refuse(RuleCount, 4, "Записів у файлі більше, ніж указано в заголовку. Вивантажте файл знову.",
			"The file has more records than its header says. Export the file again.")
	case rest > 1:
		return refuse(RuleTrailing, headerLen+count*recordLen, "Після останнього запису є зайві байти. Вивантажте файл знову.",
			"There are bytes after the last record. Export the file again.")
	case rest == 1:
		var end [1]byte
		if _, err := r.ReadAt(end[:], size-1); err != nil && !errors.Is(err, io.EOF) {
			return refuse(RuleRead, size-1, "Файл не вдалося прочитати. Надішліть його ще раз.", "The file could not be read. Send it again.")
		}
		if end[0] != endOfFile {
			return refuse(RuleTrailing, size-1, "Після останнього запису є зайвий байт. Вивантажте файл знову.",
				"There is a byte after the last record. Export the file again.")
		}
	}
	limit := int64(o.MaxRecords)
	if limit == 0 {
		limit = 50000
	}
	if count > limit {
		return nil, &Error{Rule: RuleRecords, Offset: 4, Text: formats.Textf(
			"Записів більше, ніж дозволено (%d). Поділіть файл.", "There are more records than allowed (%d). Split the file.", limit)}
	}
	d.Count = int(count)
	d.length = recordLen
	d.offset = headerLen - recordLen
	d.records = io.NewSectionReader(r, headerLen, count*recordLen)
	return d, nil
}

// endsAt says whether the end mark stands at offset.
func endsAt(r io.ReaderAt, offset int64) bool {
	var b [1]byte
	n, _ := r.ReadAt(b[:], offset)
	return n == 1 && b[0] == endOfFile
}

func parseField(b []byte, offset int64, longChar bool) (Field, error) {
	name, _, _ := bytes.Cut(b[:11], []byte{0})
	f := Field{Name: string(name), Type: b[11], Length: int(b[16]), Decimals: int(b[17])}
	refuse := func(uk, en string) (Field, error) {
		return f, &Error{Rule: RuleField, Offset: offset, Field: f.Name, Text: formats.Text{UK: uk, EN: en}}
	}
	if !nameOK(f.Name) {
		f.Name = ""
		return refuse("Назва поля порожня або містить недозволені знаки.", "A field's name is empty or has characters that are not allowed.")
	}
	switch f.Type {
	case 'C':
		if longChar {
			f.Length += f.Decimals << 8
			f.Decimals = 0
		}
		if f.Decimals != 0 {
			return refuse("Текстове поле має десяткові знаки: макет не дозволяє полів, довших за 254.",
				"A text field has decimals: the layout does not allow fields longer than 254.")
		}
	case 'N', 'F':
		if f.Length > 32 || (f.Decimals > 0 && f.Decimals > f.Length-2) {
			return refuse("Довжина або кількість десяткових знаків числового поля неможлива.", "The length or the decimals of a number field are impossible.")
		}
	case 'D':
		if f.Length != 8 || f.Decimals != 0 {
			return refuse("Поле дати повинно мати довжину 8.", "A date field must have length 8.")
		}
	case 'L':
		if f.Length != 1 || f.Decimals != 0 {
			return refuse("Логічне поле повинно мати довжину 1.", "A logical field must have length 1.")
		}
	case 'M', 'G', 'P', 'B':
		_, err := refuse("Поле приміток (memo) лежить в іншому, непідписаному файлі. Вивантажте таблицю без нього.",
			"A memo field lies in another file, which is not signed. Export the table without it.")
		err.(*Error).Rule = RuleMemo
		return f, err
	default:
		return refuse("Тип поля не підтримується (дозволено C, N, F, D, L).", "The field's type is not supported (C, N, F, D, L are).")
	}
	if f.Length == 0 {
		return refuse("Довжина поля нульова.", "The field has length zero.")
	}
	return f, nil
}

func nameOK(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != "" && len(s) <= 10
}

// Next reads the next record; io.EOF ends them. Other errors are *Error; after
// RuleDeleted the next call goes on with the next record.
func (d *Reader) Next() error {
	if d.at == d.Count {
		return io.EOF
	}
	if d.from == nil {
		d.from = bufio.NewReaderSize(d.records, int(min(64<<10, max(d.records.Size(), 16))))
		d.record = make([]byte, d.length)
	}
	d.at++
	d.offset += d.length
	if _, err := io.ReadFull(d.from, d.record); err != nil {
		d.at = d.Count
		return &Error{Rule: RuleRead, Record: d.at, Offset: d.offset, Text: formats.Text{
			UK: "Файл не вдалося прочитати. Надішліть його ще раз.", EN: "The file could not be read. Send it again.",
		}}
	}
	switch d.record[0] {
	case ' ':
		return nil
	case '*':
		return &Error{Rule: RuleDeleted, Record: d.at, Offset: d.offset, Text: formats.Text{
			UK: "Запис позначено як вилучений. Упакуйте таблицю (PACK) і вивантажте знову.",
			EN: "The record is marked as deleted. Pack the table (PACK) and export it again.",
		}}
	}
	at := d.at
	d.at = d.Count
	return &Error{Rule: RuleFlag, Record: at, Offset: d.offset, Text: formats.Text{
		UK: "Запис починається з недозволеного байта: таблицю зсунуто або пошкоджено. Вивантажте файл знову.",
		EN: "The record begins with a byte that is not allowed: the table is shifted or damaged. Export the file again.",
	}}
}

// Record is the number, from 1, of the record last read.
func (d *Reader) Record() int { return d.at }

// Raw is the bytes of field i of the record last read, padding included. They
// are good until the next call of Next.
func (d *Reader) Raw(i int) []byte {
	f := d.Fields[i]
	return d.record[f.offset : f.offset+f.Length]
}

// Offset is where field i of the record last read lies in the file.
func (d *Reader) Offset(i int) int64 { return d.offset + int64(d.Fields[i].offset) }
