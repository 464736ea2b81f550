package backup_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
)

// resum gives a changed list the sum that it would have had.
func resum(list []byte) []byte {
	head, body, _ := bytes.Cut(list, []byte("\n"))
	word, _, _ := bytes.Cut(head, []byte(" "))
	sum := sha256.Sum256(body)
	return append([]byte(string(word)+" "+hex.EncodeToString(sum[:])+"\n"), body...)
}
