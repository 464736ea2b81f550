// Package pdf decides whether a PDF is fit to be a supporting document: a plain
// picture of paper, with nothing in it that acts. It does not render or fully
// parse; it looks at the header, the end and the cross-reference, and then for
// names that mean action, attachment or encryption, in every byte of the file and
// in what its Flate streams hold. Memory is constant and inflating is bounded.
//
// A long name (as /JavaScript) refuses wherever it stands, also inside stream
// data, so that an object cannot be hidden behind a false length. A short one
// (/JS, /EF, /XFA) would be found in compressed data by chance, and counts only
// outside streams and in object streams.
//
// Not checked: fonts, images, colour, conformity to PDF/A, digital signatures
// inside the PDF, actions that only go to a page or an address.
//
// References: ISO 32000-1, 7.2 (lexical conventions), 7.3.5 (names), 7.5 (file
// structure), 7.5.7 (object streams), 7.6 (encryption), 12.6.4 (actions).
package pdf

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"github.com/brama-gateway/brama/formats"
)

// The rules. IDs are never reused.
const (
	RuleHeader    = "PDF-001"
	RuleEnd       = "PDF-002"
	RuleXref      = "PDF-003"
	RulePage      = "PDF-004"
	RuleRead      = "PDF-005"
	RuleScript    = "PDF-010"
	RuleLaunch    = "PDF-011"
	RuleEmbedded  = "PDF-012"
	RuleEncrypted = "PDF-013"
	RuleXFA       = "PDF-014"
	RuleActive    = "PDF-015"
	RuleObjects   = "PDF-016"
	RuleInflate   = "PDF-017"
)

var messages = map[string]formats.Text{
	RuleHeader:    {UK: "Файл не починається як PDF (%PDF-1.x або 2.0). Надішліть справжній PDF.", EN: "The file does not begin as a PDF (%PDF-1.x or 2.0). Send a real PDF."},
	RuleEnd:       {UK: "Файл PDF обрізано: у кінці немає %%EOF або після нього є зайві байти. Збережіть документ знову й надішліть повністю.", EN: "The PDF is cut: %%EOF is not at its end, or bytes follow it. Save the document again and send the whole file."},
	RuleXref:      {UK: "Таблицю об'єктів PDF (startxref) пошкоджено. Збережіть документ знову.", EN: "The table of objects of the PDF (startxref) is damaged. Save the document again."},
	RulePage:      {UK: "У PDF немає жодної сторінки.", EN: "The PDF has no page."},
	RuleRead:      {UK: "Файл не вдалося прочитати. Надішліть його ще раз.", EN: "The file could not be read. Send it again."},
	RuleScript:    {UK: "PDF містить сценарій JavaScript. Збережіть документ без нього (наприклад, роздрукуйте в PDF).", EN: "The PDF has JavaScript. Save it without (print it to PDF, for example)."},
	RuleLaunch:    {UK: "PDF містить команду запуску програми. Збережіть документ без неї.", EN: "The PDF has a command that starts a program. Save it without."},
	RuleEmbedded:  {UK: "PDF містить вкладені файли. Надішліть їх окремими документами.", EN: "The PDF has embedded files. Send them as documents of their own."},
	RuleEncrypted: {UK: "PDF зашифровано або захищено паролем. Збережіть його без захисту.", EN: "The PDF is encrypted or protected by a password. Save it without protection."},
	RuleXFA:       {UK: "PDF містить динамічну форму XFA. Роздрукуйте її в PDF.", EN: "The PDF has a dynamic XFA form. Print it to PDF."},
	RuleActive:    {UK: "PDF містить активний вміст (мультимедіа, надсилання форми тощо). Збережіть документ без нього.", EN: "The PDF has active content (multimedia, form submission and so on). Save it without."},
	RuleObjects:   {UK: "Об'єкти PDF стиснуто способом, який не можна перевірити. Збережіть документ знову (PDF/A).", EN: "The objects of the PDF are compressed in a way that cannot be examined. Save the document again (PDF/A)."},
	RuleInflate:   {UK: "Вміст PDF після розпакування завеликий. Збережіть документ простіше (скан із меншою роздільністю).", EN: "The content of the PDF is too large when decompressed. Save it in a simpler way (a scan of lower resolution)."},
}

// forbidden names refuse wherever they stand.
var forbidden = map[string]string{
	"JavaScript":    RuleScript,
	"Launch":        RuleLaunch,
	"EmbeddedFile":  RuleEmbedded,
	"EmbeddedFiles": RuleEmbedded,
	"Encrypt":       RuleEncrypted,
	"RichMedia":     RuleActive,
	"SubmitForm":    RuleActive,
	"ImportData":    RuleActive,
	"Rendition":     RuleActive,
}

// short names refuse where a dictionary may stand.
var short = map[string]string{
	"JS":    RuleScript,
	"EF":    RuleEmbedded,
	"XFA":   RuleXFA,
	"GoToE": RuleEmbedded,
	"Movie": RuleActive,
	"Sound": RuleActive,
}

// filters other than Flate, by which an object stream could hide its objects.
var filters = map[string]bool{
	"LZWDecode": true, "LZW": true, "ASCII85Decode": true, "A85": true, "ASCIIHexDecode": true, "AHx": true, "RunLengthDecode": true, "RL": true,
	"Crypt": true, "DCTDecode": true, "DCT": true, "CCITTFaxDecode": true, "CCF": true, "JBIG2Decode": true, "JPXDecode": true, "DecodeParms": true, "DP": true,
}

// Bounds of inflating.
const (
	maxStream  = 32 << 20  // one stream
	maxTotal   = 256 << 20 // one file
	maxStreams = 100000
)

// Check reports what makes doc unfit to add.
func Check(doc *io.SectionReader, add func(formats.Finding)) {
	check(doc, maxStream, add)
}

func check(doc *io.SectionReader, limit int64, add func(formats.Finding)) {
	s := &scan{doc: doc, add: add, limit: limit, said: map[string]bool{}}
	s.ends()
	s.all()
}

type scan struct {
	doc  *io.SectionReader
	add  func(formats.Finding)
	said map[string]bool
	// limit is how far one stream is inflated.
	limit int64

	page     bool
	inflated int64
	streams  int
	inflate  io.ReadCloser
	input    *bufio.Reader
}

func (s *scan) say(rule string) {
	if !s.said[rule] {
		s.said[rule] = true
		s.add(formats.Finding{Rule: rule, Severity: formats.Error, Message: messages[rule]})
	}
}

var (
	header    = regexp.MustCompile(`^%PDF-(1\.[0-7]|2\.0)[\r\n \t%]`)
	startxref = regexp.MustCompile(`startxref[\r\n \t]+([0-9]{1,18})[\r\n \t]+%%EOF[\r\n \t\x00]*$`)
	atXref    = regexp.MustCompile(`^[\r\n \t\x00]*(xref[\r\n \t]|[0-9]+[\r\n \t]+[0-9]+[\r\n \t]+obj)`)
)

// ends looks at the header, the end and where startxref leads.
func (s *scan) ends() {
	head := make([]byte, 16)
	n, _ := s.doc.ReadAt(head, 0)
	if !header.Match(head[:n]) {
		s.say(RuleHeader)
	}
	size := s.doc.Size()
	tail := make([]byte, min(size, 1024))
	n, _ = s.doc.ReadAt(tail, size-int64(len(tail)))
	if !bytes.Contains(tail[:n], []byte("%%EOF")) || len(bytes.Trim(tail[bytes.LastIndex(tail[:n], []byte("%%EOF"))+5:n], "\r\n \t\x00")) > 0 {
		s.say(RuleEnd)
		return
	}
	m := startxref.FindSubmatch(tail[:n])
	if m == nil {
		s.say(RuleXref)
		return
	}
	at, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil || at >= size {
		s.say(RuleXref)
		return
	}
	there := make([]byte, 64)
	n, _ = s.doc.ReadAt(there, at)
	if !atXref.Match(there[:n]) {
		s.say(RuleXref)
	}
}

// all walks the file once.
func (s *scan) all() {
	w := words{scan: s, outer: true}
	r := bufio.NewReaderSize(io.NewSectionReader(s.doc, 0, s.doc.Size()), 64<<10)
	for at := int64(0); ; at++ {
		c, err := r.ReadByte()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				s.say(RuleRead)
			}
			break
		}
		w.next(c, at)
	}
	w.next(' ', s.doc.Size())
	if !s.page {
		s.say(RulePage)
	}
}

// words finds names and keywords in a run of bytes. It holds no more than the
// word it is in.
type words struct {
	scan  *scan
	outer bool // the file itself, not what a stream holds

	word []byte // name with its slash, or keyword
	long bool   // word was cut
	esc  int    // hex digits of a #-escape still to come
	hex  byte

	inStream bool
	// What was named since the last stream. Nothing else clears it: a word like
	// "obj" may stand in a string, to deceive.
	objects bool // an object stream
	image   bool
	strange bool // filters or parameters that we do not undo
	wait    bool // "stream" was read; data begins after the line's end
}

func (w *words) next(c byte, at int64) {
	if w.wait {
		if c == '\r' {
			return
		}
		w.wait = false
		if c == '\n' {
			at++
		}
		w.scan.stream(at, w)
	}
	switch c {
	case ' ', '\t', '\r', '\n', '\f', 0, '(', ')', '<', '>', '[', ']', '{', '}', '%':
		w.finish()
		if w.wait && c == '\n' { // "stream" LF
			w.wait = false
			w.scan.stream(at+1, w)
		}
		return
	case '/':
		w.finish()
		w.wait = false
		w.word = append(w.word, c)
		return
	}
	name := len(w.word) > 0 && w.word[0] == '/'
	switch {
	case name && w.esc > 0: // ISO 32000-1, 7.3.5: #xx in a name is the byte xx
		v, ok := unhex(c)
		if !ok {
			w.esc = 0
			w.put(c)
			return
		}
		w.hex = w.hex<<4 | v
		if w.esc--; w.esc == 0 {
			w.put(w.hex)
		}
	case name && c == '#':
		w.esc, w.hex = 2, 0
	default:
		w.put(c)
	}
}

// data reads what a stream holds. Only names matter there.
func (w *words) data(b []byte) {
	for len(b) > 0 {
		if len(w.word) == 0 {
			i := bytes.IndexByte(b, '/')
			if i < 0 {
				return
			}
			b = b[i:]
		}
		w.next(b[0], 0)
		b = b[1:]
	}
}

func (w *words) put(c byte) {
	if len(w.word) >= 32 {
		if w.word[0] == '/' {
			w.long = true
			return
		}
		// Of a keyword the end counts: binary data may stand before it.
		copy(w.word, w.word[1:])
		w.word = w.word[:len(w.word)-1]
	}
	w.word = append(w.word, c)
}

func (w *words) finish() {
	word, long := w.word, w.long
	w.word, w.long, w.esc = w.word[:0], false, 0
	if len(word) == 0 || long {
		return
	}
	if word[0] == '/' {
		w.name(string(word[1:]))
		return
	}
	if !w.outer {
		return
	}
	switch {
	case bytes.HasSuffix(word, []byte("endstream")):
		w.inStream = false
	case bytes.Equal(word, []byte("obj")):
		w.inStream = false
	case !w.inStream && bytes.Equal(word, []byte("stream")):
		w.wait = true
	}
}

func (w *words) name(name string) {
	s := w.scan
	if rule, ok := forbidden[name]; ok {
		s.say(rule)
	}
	if w.inStream {
		return
	}
	if rule, ok := short[name]; ok {
		s.say(rule)
	}
	switch {
	case name == "Page":
		s.page = true
	case name == "ObjStm" || name == "First": // some readers go by the second alone
		w.objects = true
	case name == "Image":
		w.image = true
	case filters[name]:
		w.strange = true
	}
}

// stream looks into the data of a stream that begins at at.
func (s *scan) stream(at int64, w *words) {
	objects, image, strange := w.objects, w.image, w.strange
	w.inStream, w.objects, w.image, w.strange = true, false, false, false
	if objects && strange {
		s.say(RuleObjects)
		return
	}
	if image && !objects {
		return // a picture; its raw bytes are looked at all the same
	}
	if s.streams++; s.streams > maxStreams || s.inflated > maxTotal {
		s.say(RuleInflate)
		return
	}
	section := io.NewSectionReader(s.doc, at, s.doc.Size()-at)
	if s.input == nil {
		s.input = bufio.NewReaderSize(section, 4096)
	} else {
		s.input.Reset(section)
	}
	var err error
	if s.inflate == nil {
		s.inflate, err = zlib.NewReader(s.input)
	} else {
		err = s.inflate.(zlib.Resetter).Reset(s.input, nil)
	}
	if err != nil {
		return // not Flate: what it holds stands in the file as it is
	}
	inner := words{scan: s, inStream: !objects}
	buf := make([]byte, 16<<10)
	for n := int64(0); ; {
		k, err := s.inflate.Read(buf)
		inner.data(buf[:k])
		n += int64(k)
		s.inflated += int64(k)
		if n > s.limit || s.inflated > maxTotal {
			s.say(RuleInflate)
			return
		}
		if err != nil { // the end, or damage: a reader shows what came before it
			inner.next(' ', 0)
			return
		}
	}
}

func unhex(c byte) (byte, bool) {
	v, err := strconv.ParseUint(string(rune(c)), 16, 8)
	return byte(v), err == nil
}

// Explain is the text of a rule, for lists.
func Explain(rule string) (formats.Text, error) {
	m, ok := messages[rule]
	if !ok {
		return m, fmt.Errorf("rule %s: unknown", rule)
	}
	return m, nil
}
