package der

import (
	"bytes"
	"errors"
	"math/big"
	"testing"
	"time"
)

func TestRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		b        []byte
		der, ber bool // accepted under
	}{
		{"good", []byte{0x30, 3, 2, 1, 5}, true, true},
		{"empty", nil, false, false},
		{"one byte", []byte{0x30}, false, false},
		{"beyond the end", []byte{0x30, 4, 2, 1, 5}, false, false},
		{"trailing", []byte{0x30, 3, 2, 1, 5, 0}, false, false},
		{"long form for a short length", []byte{0x30, 0x81, 3, 2, 1, 5}, false, true},
		{"leading zero in a length", []byte{0x30, 0x82, 0, 3, 2, 1, 5}, false, true},
		{"length of nine octets", append([]byte{0x30, 0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0}, 2, 1, 5), false, false},
		{"length of 2^64-1", []byte{0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, false, false},
		{"length of 2^63", []byte{0x30, 0x88, 0x80, 0, 0, 0, 0, 0, 0, 0}, false, false},
		{"indefinite", []byte{0x30, 0x80, 2, 1, 5, 0, 0}, false, true},
		{"indefinite without end", []byte{0x30, 0x80, 2, 1, 5}, false, false},
		{"indefinite primitive", []byte{0x04, 0x80, 0, 0}, false, false},
		{"long tag for a short number", []byte{0x1f, 5, 0}, false, false},
		{"end of contents alone", []byte{0, 0}, false, false},
	} {
		if _, err := One(c.b, DER); (err == nil) != c.der {
			t.Errorf("%s: DER: %v", c.name, err)
		}
		if _, err := One(c.b, BER); (err == nil) != c.ber {
			t.Errorf("%s: BER: %v", c.name, err)
		}
		if err := CheckDER(c.b); err == nil && len(c.b) > 0 && c.name != "trailing" && !c.der {
			t.Errorf("%s: passes CheckDER", c.name)
		}
	}
}

func TestDepth(t *testing.T) {
	t.Parallel()
	nest := func(n int) []byte {
		b := []byte{2, 1, 5}
		for range n {
			b = Sequence(b)
		}
		return b
	}
	if err := CheckDepth(nest(MaxDepth)); err != nil {
		t.Errorf("depth %d: %v", MaxDepth, err)
	}
	if err := CheckDepth(nest(MaxDepth + 1)); !errors.Is(err, ErrDepth) {
		t.Errorf("depth %d: %v", MaxDepth+1, err)
	}
	indefinite := append(bytes.Repeat([]byte{0x30, 0x80}, 1<<21), make([]byte, 1<<22)...)
	if err := CheckDepth(indefinite); !errors.Is(err, ErrDepth) {
		t.Errorf("indefinite: %v", err)
	}
	if _, err := One(indefinite, BER); !errors.Is(err, ErrDepth) {
		t.Errorf("indefinite: %v", err)
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"0", "1", "127", "128", "255", "256", "-1", "-128", "-129", "-32768", "123456789012345678901234567890"} {
		n, _ := new(big.Int).SetString(s, 10)
		if got, err := NewReader(Integer(n), DER).Integer(); err != nil || got.Cmp(n) != 0 {
			t.Errorf("%s: %v %v", s, got, err)
		}
	}
	for _, s := range []string{"2.5.4.3", "1.2.840.113549.1.7.2", "0.4.0.1862.1.1", "2.999.1", "2.16.840.1.101.3.4.2.1"} {
		oid, err := ParseOID(s)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := NewReader(oid.Encode(), DER).OID(); err != nil || got != oid {
			t.Errorf("%s: %s %v", s, got, err)
		}
	}
	for _, s := range []string{"", "1", "1.40", "3.1", "1.2.", "1.02", "a.b", "1.-2"} {
		if _, err := ParseOID(s); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
	for _, at := range []time.Time{time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC), time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if got, err := NewReader(Time(at), DER).Time(); err != nil || !got.Equal(at) {
			t.Errorf("%v: %v %v", at, got, err)
		}
	}
	for _, s := range []string{"260631000000Z", "2606010000Z", "26060100000Z ", "260601000060Z", "260601000000+0000"} {
		if _, err := NewReader(Value(TagUTCTime, []byte(s)), DER).Time(); err == nil {
			t.Errorf("%q is a time", s)
		}
	}
	long := Sequence(OctetString(make([]byte, 300)))
	if e, err := One(long, DER); err != nil || len(e.Content) != 304 {
		t.Errorf("long length: %v", err)
	}
}

func TestNormalize(t *testing.T) {
	t.Parallel()
	ber := []byte{0x30, 0x80, 0x24, 0x80, 4, 1, 'a', 0x24, 4, 4, 2, 'b', 'c', 0, 0, 0x31, 0x81, 3, 2, 1, 5, 0, 0}
	want := Sequence(OctetString([]byte("abc")), SetOf(Int(5)))
	got, err := Normalize(ber)
	if err != nil || !bytes.Equal(got, want) || CheckDER(got) != nil || CheckDER(ber) == nil {
		t.Errorf("%x %v", got, err)
	}
	r, err := NewReader(ber, BER).Sequence()
	if err != nil {
		t.Fatal(err)
	}
	if s, err := r.OctetString(); err != nil || string(s) != "abc" {
		t.Errorf("%q %v", s, err)
	}
}

// FuzzReader: no input breaks the readers; what is DER normalises to itself.
func FuzzReader(f *testing.F) {
	f.Add([]byte{0x30, 0x80, 0x24, 0x80, 4, 1, 'a', 0, 0, 0, 0})
	f.Add(Sequence(Int(-129), OID("1.2.840.113549.1.7.2").Encode(), SetOf(Null(), Bool(true)), BitString([]byte{1})))
	f.Fuzz(func(t *testing.T, b []byte) {
		depth := CheckDepth(b)
		strict := CheckDER(b)
		if strict == nil && depth != nil {
			t.Fatal("DER, and too deep")
		}
		for _, rules := range []Rules{DER, BER} {
			r := NewReader(b, rules)
			for !r.Empty() {
				e, err := r.Next()
				if err != nil {
					break
				}
				_, _ = e.Integer()
				_, _ = e.OID()
				_, _ = e.Time()
				_, _ = e.Text()
				_, _, _ = e.BitString()
				_, _ = r.Octets(e)
			}
		}
		if e, err := One(b, DER); err == nil && strict == nil {
			got, err := Normalize(b)
			if err == nil && !bytes.Equal(got, e.Raw) {
				t.Fatalf("%x normalises to %x", b, got)
			}
		}
	})
}
