// Package jpeg decides whether a JPEG is fit to be a supporting document: one
// whole picture, of bounded size, with nothing after its end. The picture is not
// decoded: its segments are walked over in constant memory.
//
// References: ITU-T T.81, B.1 (markers), B.2 (frame and scan headers); JFIF 1.02.
package jpeg

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"

	"github.com/brama-gateway/brama/formats"
)

// The rules. IDs are never reused.
const (
	RuleBroken  = "JPG-001"
	RuleCut     = "JPG-002"
	RuleTrails  = "JPG-003"
	RuleSize    = "JPG-004"
	RuleProcess = "JPG-005"
)

// Bounds of a picture.
const (
	maxSide   = 20000
	maxPixels = 200 << 20
)

var messages = map[string]formats.Text{
	RuleBroken:  {UK: "Зображення JPEG пошкоджено. Відскануйте або збережіть його ще раз.", EN: "The JPEG is damaged. Scan or save it again."},
	RuleCut:     {UK: "Зображення JPEG обрізано: немає його кінця. Надішліть файл повністю.", EN: "The JPEG is cut: its end is missing. Send the whole file."},
	RuleTrails:  {UK: "Після кінця зображення JPEG є зайві байти. Збережіть його ще раз.", EN: "Bytes follow the end of the JPEG. Save it again."},
	RuleSize:    {UK: "Зображення JPEG завелике (найбільше 20000 точок по стороні й 200 мегапікселів) або порожнє.", EN: "The JPEG is too large (at most 20000 points a side and 200 megapixels) or empty."},
	RuleProcess: {UK: "Такий різновид JPEG не приймається. Збережіть зображення як звичайний JPEG.", EN: "This variety of JPEG is not taken. Save the picture as a usual JPEG."},
}

// Is says whether a file begins as a JPEG.
func Is(head []byte) bool {
	return len(head) >= 3 && head[0] == 0xFF && head[1] == 0xD8 && head[2] == 0xFF
}

// Check reports the first thing that is wrong with the picture in doc.
func Check(doc *io.SectionReader, add func(formats.Finding)) {
	if rule := walk(bufio.NewReaderSize(io.NewSectionReader(doc, 0, doc.Size()), 64<<10)); rule != "" {
		add(formats.Finding{Rule: rule, Message: messages[rule]})
	}
}

// walk is the rule that is broken, or "".
func walk(r *bufio.Reader) string {
	var soi [2]byte
	if _, err := io.ReadFull(r, soi[:]); err != nil || soi != [2]byte{0xFF, 0xD8} {
		return RuleBroken
	}
	framed, scanned := false, false
	for {
		m, err := marker(r)
		if err != nil {
			return RuleCut
		}
		switch {
		case m == 0xD9: // EOI
			if !framed || !scanned {
				return RuleBroken
			}
			if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
				return RuleTrails
			}
			return ""
		case m == 0x00 || m == 0x01 || m >= 0xD0 && m <= 0xD8:
			return RuleBroken
		}
		var length [2]byte
		if _, err := io.ReadFull(r, length[:]); err != nil {
			return RuleCut
		}
		n := int(binary.BigEndian.Uint16(length[:])) - 2
		if n < 0 {
			return RuleBroken
		}
		switch {
		case m == 0xC0 || m == 0xC1 || m == 0xC2: // baseline, extended, progressive; Huffman
			if framed || n < 6 {
				return RuleBroken
			}
			framed = true
			var f [6]byte
			if _, err := io.ReadFull(r, f[:]); err != nil {
				return RuleCut
			}
			n -= 6
			h, w := int(binary.BigEndian.Uint16(f[1:])), int(binary.BigEndian.Uint16(f[3:]))
			if h == 0 || w == 0 || h > maxSide || w > maxSide || h*w > maxPixels {
				return RuleSize
			}
			if components := int(f[5]); components == 0 || n != 3*components {
				return RuleBroken
			}
		case m >= 0xC3 && m <= 0xCF && m != 0xC4 && m != 0xC8 && m != 0xCC:
			return RuleProcess
		case m == 0xDA:
			if !framed {
				return RuleBroken
			}
			scanned = true
		}
		if k, err := r.Discard(n); err != nil || k != n {
			return RuleCut
		}
		if m == 0xDA {
			if err := entropy(r); err != nil {
				return RuleCut
			}
		}
	}
}

// marker reads 0xFF, fill bytes and the marker's second byte.
func marker(r *bufio.Reader) (byte, error) {
	b, err := r.ReadByte()
	if err != nil {
		return 0, err
	}
	if b != 0xFF {
		return 0x00, nil // no marker
	}
	for b == 0xFF {
		if b, err = r.ReadByte(); err != nil {
			return 0, err
		}
	}
	return b, nil
}

// entropy skips coded data up to the next marker that is not stuffing or a
// restart.
func entropy(r *bufio.Reader) error {
	for {
		p, err := r.Peek(2)
		if err != nil {
			return err
		}
		n := 1
		if p[0] == 0xFF && p[1] != 0xFF {
			if p[1] != 0x00 && (p[1] < 0xD0 || p[1] > 0xD7) {
				return nil
			}
			n = 2
		}
		_, _ = r.Discard(n) // it was peeked
	}
}
