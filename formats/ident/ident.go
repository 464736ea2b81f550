// Package ident knows the codes that Ukrainian documents carry: their shape and,
// where one is published, their check digit. Every function takes the code as
// written; none trims, pads or folds case.
//
// References: ISO 13616-1 and ISO 7064 (IBAN, MOD 97-10); NBU decree 162 of
// 28.12.2018 (the Ukrainian IBAN); order 1588 of 09.12.2011 of the Ministry of
// Finance, 2.3 (tax numbers of those without EDRPOU). The EDRPOU, RNOKPP and
// MFO algorithms are common knowledge without a clause we could cite.
package ident

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Digits says whether s is exactly n decimal digits (ASCII).
func Digits(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789") == ""
}

// Zeros says whether s is one or more zeros and nothing else.
func Zeros(s string) bool { return s != "" && strings.Trim(s, "0") == "" }

// IBANShape says whether s looks like a Ukrainian IBAN: "UA" and 27 digits. The
// check digits are not looked at.
func IBANShape(s string) bool {
	return len(s) == 29 && s[:2] == "UA" && Digits(s[2:], 27)
}

// ValidIBAN says whether s is a Ukrainian IBAN with right check digits, upper
// case and without spaces (ISO 13616-1; NBU decree 162, 29 characters).
func ValidIBAN(s string) bool {
	return IBANShape(s) && mod97(s[4:]+"3010"+s[2:4]) == 1 // U = 30, A = 10
}

func mod97(digits string) int {
	r := 0
	for i := range len(digits) {
		r = (r*10 + int(digits[i]-'0')) % 97
	}
	return r
}

// IBAN makes the Ukrainian IBAN of an account at the bank mfo (6 digits). The
// account is padded to 19 digits on the left.
func IBAN(mfo, account string) (string, error) {
	if !Digits(mfo, 6) || len(account) > 19 || !Digits(account, len(account)) {
		return "", fmt.Errorf("iban: want 6 digits of mfo and at most 19 of account")
	}
	bban := mfo + strings.Repeat("0", 19-len(account)) + account
	return fmt.Sprintf("UA%02d%s", 98-mod97(bban+"301000"), bban), nil
}

// BankOf is the six digits of a Ukrainian IBAN that name the bank (ID НБУ, the
// former MFO), or "" if s is not shaped like one.
func BankOf(iban string) string {
	if !IBANShape(iban) {
		return ""
	}
	return iban[4:10]
}

// ValidEDRPOU says whether s is eight digits of which the last is the check
// digit. 00000000 passes; rules refuse it.
func ValidEDRPOU(s string) bool {
	return Digits(s, 8) && EDRPOUDigit(s[:7]) == s[7]
}

// EDRPOUDigit is the check digit of seven digits: weights 1..7, for codes between
// 30000000 and 60000000 7,1..6; when the sum modulo 11 is 10, again with each
// weight greater by 2, and 0 if that is 10 too.
func EDRPOUDigit(base string) byte {
	weights := [7]int{1, 2, 3, 4, 5, 6, 7}
	if base[0] >= '3' && base[0] < '6' {
		weights = [7]int{7, 1, 2, 3, 4, 5, 6}
	}
	r := 0
	for _, more := range [2]int{0, 2} {
		r = 0
		for i, w := range weights {
			r += int(base[i]-'0') * (w + more)
		}
		if r %= 11; r < 10 {
			break
		}
	}
	return byte('0' + r%10)
}

// ValidRNOKPP says whether s is ten digits of which the last is the check digit
// and which are not all zeros.
func ValidRNOKPP(s string) bool {
	if !Digits(s, 10) || Zeros(s) {
		return false
	}
	r := 0
	for i, w := range [9]int{-1, 5, 7, 9, 4, 6, 10, 5, 7} {
		r += int(s[i]-'0') * w
	}
	r %= 11
	if r < 0 {
		r += 11
	}
	return byte('0'+r%10) == s[9]
}

// TaxNumber9 says whether s has the shape of a tax number of those without
// EDRPOU: nine digits. Its check digit's rule is not public.
func TaxNumber9(s string) bool { return Digits(s, 9) }

// KnownTaxNumber9 says whether s begins as order 1588, 2.3 describes: 77
// (resident) or 88 (non-resident), six more digits, one check digit.
func KnownTaxNumber9(s string) bool {
	return Digits(s, 9) && (s[:2] == "77" || s[:2] == "88")
}

// Passport says whether s is the series and number of a Ukrainian passport: two
// Cyrillic capitals and six digits (the booklet), or nine digits (the card).
func Passport(s string) bool {
	if Digits(s, 9) {
		return true
	}
	a, n := utf8.DecodeRuneInString(s)
	b, m := utf8.DecodeRuneInString(s[n:])
	return capital(a) && capital(b) && Digits(s[n+m:], 6)
}

func capital(r rune) bool {
	return r >= 'А' && r <= 'Я' && !strings.ContainsRune("ЁЪЫЭ", r) || strings.ContainsRune("ІЇЄҐ", r)
}

// MFO says whether s has the shape of a bank's ID НБУ: six digits, not all zero.
func MFO(s string) bool { return Digits(s, 6) && !Zeros(s) }

// MFODigit says whether the sixth digit is the one that weights 1,3,7,1,3 and a
// factor of 7 give. Some banks in use fail it: it is no ground to refuse.
func MFODigit(s string) bool {
	if !MFO(s) {
		return false
	}
	r := 0
	for i, w := range [5]int{1, 3, 7, 1, 3} {
		r += int(s[i]-'0') * w
	}
	return byte('0'+r*7%10) == s[5]
}

// IPN says whether s has the shape of the number of a VAT payer: twelve digits,
// not all zero, or the ten of the RNOKPP under which a sole trader is registered.
// The rule of its control digit is not public: no document may be refused by it.
func IPN(s string) bool {
	return Digits(s, 12) && !Zeros(s) || ValidRNOKPP(s)
}

// TPKVKMB says whether s is a code of the typical programme classification of
// local budgets: four digits (order 793 of 20.09.2017 of the Ministry of Finance),
// the last four of a local КПКВК.
func TPKVKMB(s string) bool { return Digits(s, 4) && !Zeros(s) }

// KATOTTG says whether s is a code of administrative units and territories: "UA"
// in Latin letters and seventeen digits, of which the first two, the region, are
// not zeros (order 290 of 26.11.2020 of the Ministry for Communities and Territories).
func KATOTTG(s string) bool {
	return len(s) == 19 && s[:2] == "UA" && Digits(s[2:], 17) && !Zeros(s[2:4])
}

// KEKV says whether s is a code of economic classification: four digits.
func KEKV(s string) bool { return Digits(s, 4) }

// KPKVK says whether s is a code of programme classification: seven digits.
func KPKVK(s string) bool { return Digits(s, 7) }

// KKDB says whether s is a code of revenue classification: eight digits.
func KKDB(s string) bool { return Digits(s, 8) }

// Budget says whether s is a budget's code: ten digits.
func Budget(s string) bool { return Digits(s, 10) }
