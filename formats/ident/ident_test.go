package ident

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCodes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what string
		ok   func(string) bool
		s    string
		want bool
	}{
		{"iban", ValidIBAN, "UA213996220000026007233566001", true},
		{"iban", ValidIBAN, "UA638999980333129340000026002", true},
		{"iban, one digit changed", ValidIBAN, "UA638999980333129340000026003", false},
		{"iban, two digits swapped", ValidIBAN, "UA638999980333129340000020602", false},
		{"iban, check digits 98 too high", ValidIBAN, "UA998999980333129340000026002", false},
		{"iban, lower case", ValidIBAN, "ua213996220000026007233566001", false},
		{"iban, another country", ValidIBAN, "DE213996220000026007233566001", false},
		{"iban, letter inside", ValidIBAN, "UA2139962200000260072335660O1", false},
		{"iban, space", ValidIBAN, "UA21399622000002600723356600 ", false},
		{"iban, empty", ValidIBAN, "", false},
		{"edrpou, below 30000000", ValidEDRPOU, "00013480", true},
		{"edrpou, second weights", ValidEDRPOU, "37993783", true},
		{"edrpou", ValidEDRPOU, "37567646", true},
		{"edrpou, dummy that passes", ValidEDRPOU, "12345678", true},
		{"edrpou", ValidEDRPOU, "12345679", false},
		{"edrpou, short", ValidEDRPOU, "1348", false},
		{"edrpou, letters", ValidEDRPOU, "3756764B", false},
		{"rnokpp", ValidRNOKPP, "1759013776", true},
		{"rnokpp", ValidRNOKPP, "1759013770", false},
		{"rnokpp, zeros", ValidRNOKPP, "0000000000", false},
		{"rnokpp, empty", ValidRNOKPP, "", false},
		{"mfo", MFO, "820172", true},
		{"mfo, zeros", MFO, "000000", false},
		{"mfo digit", MFODigit, "899998", true},
		{"mfo digit", MFODigit, "305298", false},
		{"mfo digit, in use and failing", MFODigit, "399622", false},
		{"taxno9", TaxNumber9, "770000001", true},
		{"taxno9", TaxNumber9, "77000001", false},
		{"taxno9 known", KnownTaxNumber9, "880000001", true},
		{"taxno9 known", KnownTaxNumber9, "120000001", false},
		{"passport", Passport, "СН123456", true},
		{"passport, Ukrainian letter", Passport, "ЄЇ123456", true},
		{"passport, card", Passport, "000123456", true},
		{"passport, Latin", Passport, "CH123456", false},
		{"passport, lower case", Passport, "сн123456", false},
		{"passport, bad bytes", Passport, "\xff\xff123456", false},
		{"passport, empty", Passport, "", false},
		{"kekv", KEKV, "2273", true},
		{"kekv", KEKV, "22730", false},
		{"kpkvk", KPKVK, "3511350", true},
		{"kkdb", KKDB, "11010100", true},
		{"kkdb", KKDB, "1101010", false},
		{"ipn", IPN, "123456789012", true},
		{"ipn, sole trader", IPN, "1759013776", true},
		{"ipn, sole trader, check digit", IPN, "1759013770", false},
		{"ipn, zeros", IPN, "000000000000", false},
		{"ipn, eleven digits", IPN, "12345678901", false},
		{"ipn, letter", IPN, "12345678901O", false},
		{"tpkvkmb", TPKVKMB, "1010", true},
		{"tpkvkmb, zeros", TPKVKMB, "0000", false},
		{"tpkvkmb, three digits", TPKVKMB, "101", false},
		{"tpkvkmb, point", TPKVKMB, "10.0", false},
		{"katottg", KATOTTG, "UA80000000000093317", true},
		{"katottg, Cyrillic А", KATOTTG, "UА8000000000009331", false},
		{"katottg, no region", KATOTTG, "UA00000000000093317", false},
		{"katottg, short", KATOTTG, "UA8000000000009331", false},
		{"katottg, lower case", KATOTTG, "ua80000000000093317", false},
		{"katottg, without UA", KATOTTG, "80000000000093317", false},
		{"budget", Budget, "9900000000", true},
		{"zeros", Zeros, "000", true},
		{"zeros, empty", Zeros, "", false},
	} {
		if got := c.ok(c.s); got != c.want {
			t.Errorf("%s %q: %v, want %v", c.what, c.s, got, c.want)
		}
	}
}

func TestIBANOfAccount(t *testing.T) {
	t.Parallel()
	if got, err := IBAN("399622", "26007233566001"); err != nil || got != "UA213996220000026007233566001" {
		t.Errorf("%q, %v", got, err)
	}
	if BankOf("UA213996220000026007233566001") != "399622" || BankOf("x") != "" {
		t.Error("bank of iban")
	}
	for _, bad := range [][2]string{{"39962", "1"}, {"399622", "12345678901234567890"}, {"399622", "a"}} {
		if _, err := IBAN(bad[0], bad[1]); err == nil {
			t.Errorf("%v: no error", bad)
		}
	}
}

// TestEDRPOUDigitAlways: the third branch (10 twice) gives 0, a digit comes out
// for every base, and it depends on every digit of the base.
func TestEDRPOUDigitAlways(t *testing.T) {
	t.Parallel()
	for n := 0; n < 10_000_000; n += 997 {
		base := []byte("0000000")
		for i, v := 6, n; v > 0; i, v = i-1, v/10 {
			base[i] = byte('0' + v%10)
		}
		if d := EDRPOUDigit(string(base)); d < '0' || d > '9' || !ValidEDRPOU(string(base)+string(d)) {
			t.Fatalf("%s: digit %q", base, d)
		}
	}
}

// TestVectors reads the shared vectors.
func TestVectors(t *testing.T) {
	t.Parallel()
	root := os.Getenv("BRAMA_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	f, err := os.Open(filepath.Join(root, "data", "formats", "vectors", "checks.tsv"))
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("shared data not here")
		}
		t.Skip("shared data not here")
	}
	defer f.Close()
	check := map[string]func(string) bool{
		"iban": ValidIBAN, "edrpou": ValidEDRPOU, "rnokpp": ValidRNOKPP, "mfo": MFODigit, "kekv": KEKV, "kpkvk": KPKVK, "kkdb": KKDB, "budget": Budget,
	}
	s := bufio.NewScanner(f)
	s.Scan() // the header
	n := 0
	for ; s.Scan(); n++ {
		row := strings.Split(s.Text(), "\t")
		ok, known := check[row[0]]
		if !known {
			t.Errorf("kind %q: unknown", row[0])
			continue
		}
		if got := ok(row[1]); got != (row[2] == "1") {
			t.Errorf("%s %s: %v, want %s", row[0], row[1], got, row[2])
		}
	}
	if n < 20 {
		t.Errorf("%d vectors", n)
	}
}
