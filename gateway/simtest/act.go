package simtest

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Kind is what is done.
type Kind int

// The acts.
const (
	Upload Kind = iota
	Interrupt
	Resume
	UploadTemporary
	Rename
	Advance
	Claim
	Extend
	Answer
	AnswerAgain
	AnswerOtherwise
	AnswerOld
	GiveBack
	OperatorRetry
	OperatorBury
	OperatorRelease
	Read
	Acknowledge
	Release
	ReleaseAgain
	Disable
	Trust
	Retain
	CloseDay
	Restart
	Fault
	kinds
)

var kindNames = [kinds]string{
	"upload", "interrupt", "resume", "upload temporary", "rename", "advance", "claim", "extend", "answer", "answer again", "answer otherwise",
	"answer old", "give back", "operator retry", "operator bury", "operator release", "read", "acknowledge", "release", "release again",
	"disable", "trust", "retain", "close day", "restart", "fault",
}

func (k Kind) String() string { return kindNames[k] }

// weights say how often an act is chosen.
var weights = [kinds]int{
	Upload: 70, Interrupt: 6, Resume: 5, UploadTemporary: 6, Rename: 6, Advance: 24, Claim: 30, Extend: 4, Answer: 34, AnswerAgain: 5, AnswerOtherwise: 3,
	AnswerOld: 4, GiveBack: 5, OperatorRetry: 6, OperatorBury: 4, OperatorRelease: 6, Read: 14, Acknowledge: 10, Release: 12, ReleaseAgain: 4,
	Disable: 3, Trust: 7, Retain: 7, CloseDay: 3, Restart: 5, Fault: 6,
}

// Act is one step of a history. Its numbers choose among what is there when its time
// comes, so that a history without some of its acts is still one.
type Act struct {
	Kind    Kind
	A, B, C int
	Rest    bool // the core does not work on after it
}

func (a Act) String() string {
	rest := ""
	if a.Rest {
		rest = ", rest"
	}
	return fmt.Sprintf("{%s %d %d %d%s}", a.Kind, a.A, a.B, a.C, rest)
}

// History is what happens, and how hard the store is on its user.
type History struct {
	Seed   uint64
	Strict bool // every change is run twice, the first time to be undone
	Acts   []Act
}

func (h History) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, strict %v", h.Seed, h.Strict)
	for i, a := range h.Acts {
		fmt.Fprintf(&b, "\n  %2d %s", i, a)
	}
	return b.String()
}

var total = func() (n int) {
	for _, w := range weights {
		n += w
	}
	return n
}()

// Of gives the history of a seed: 5 to 40 acts, mostly about one name and few numbers,
// so that they meet.
func Of(seed uint64) History {
	r := rand.New(rand.NewPCG(seed, 0x6272616d61))
	h := History{Seed: seed, Strict: r.IntN(8) == 0, Acts: make([]Act, 5+min(r.IntN(36), r.IntN(36), r.IntN(36)))}
	for i := range h.Acts {
		n := r.IntN(total)
		k := Kind(0)
		for n >= weights[k] {
			n -= weights[k]
			k++
		}
		if i == 0 {
			k = Upload
		}
		h.Acts[i] = Act{Kind: k, A: r.IntN(1 << 16), B: r.IntN(1 << 16), C: r.IntN(1 << 16), Rest: r.IntN(4) == 0}
	}
	return h
}
