package transport

// windows1251 is what the octets from 0x80 on mean in code page 1251; U+FFFD is
// the one that means nothing.
var windows1251 = []rune("" +
	"ЂЃ\u201aѓ\u201e\u2026\u2020\u2021\u20ac\u2030Љ\u2039ЊЌЋЏђ\u2018\u2019\u201c\u201d\u2022\u2013\u2014\ufffd\u2122љ\u203aњќћџ" +
	"\u00a0ЎўЈ\u00a4Ґ\u00a6\u00a7Ё\u00a9Є\u00ab\u00ac\u00ad\u00aeЇ\u00b0\u00b1Ііґµ\u00b6\u00b7ё\u2116є\u00bbјЅѕї" +
	"АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ" +
	"абвгдежзийклмнопрстуфхцчшщъыьэюя")

// decode reads code page 1251. ok is false for control characters and for the
// octet that means nothing: nothing is repaired.
func decode(b []byte) (s string, ok bool) {
	out := make([]rune, len(b))
	for i, c := range b {
		switch {
		case c < 0x20 || c == 0x7f || c == 0x98:
			return "", false
		case c < 0x80:
			out[i] = rune(c)
		default:
			out[i] = windows1251[c-0x80]
		}
	}
	return string(out), true
}
