package client

import "strings"

// validAccount says whether s is a Ukrainian account number as it is stored:
// UA, two check digits, MFO of 6 and an account of 19 digits, without spaces, the
// check digits right (ISO 13616-1; ISO 7064, MOD 97-10; NBU resolution 162 of
// 28.12.2018).
func validAccount(s string) bool {
	if !strings.HasPrefix(s, "UA") || !digits(s[2:], 27) {
		return false
	}
	n := 0
	for _, c := range s[4:] + "3010" + s[2:4] { // U is 30, A is 10
		n = (n*10 + int(c-'0')) % 97
	}
	return n == 1
}
