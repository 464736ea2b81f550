package client

// validEDRPOU says whether s is a code of the state register of enterprises: 8
// digits whose last one checks the others. The weights are 1 to 7, or 7, 1 to 6
// for codes between 30000000 and 60000000; where the sum modulo 11 is 10, the
// weights grow by 2; where it is 10 again, the digit is 0.
func validEDRPOU(s string) bool {
	if !digits(s, 8) {
		return false
	}
	weights := [7]int{1, 2, 3, 4, 5, 6, 7}
	if s > "30000000" && s < "60000000" {
		weights = [7]int{7, 1, 2, 3, 4, 5, 6}
	}
	sum := func(more int) (n int) {
		for i, w := range weights {
			n += int(s[i]-'0') * (w + more)
		}
		return n % 11
	}
	check := sum(0)
	if check == 10 {
		check = sum(2) % 10
	}
	return int(s[7]-'0') == check
}

// digits says whether s is exactly n decimal digits.
func digits(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
