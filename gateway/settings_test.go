package gateway_test

import (
	"testing"
	"time"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
)

// Settings change what comes after, in a gateway that runs.
func TestReconfigure(t *testing.T) {
	t.Parallel()
	r := gatewaytest.New(t, gatewaytest.Setup{Entry: func(e *client.Entry) { e.Language = "" }})
	if s := r.Gateway.Settings(); s.Hold != 24*time.Hour || s.Limits.File != 64<<20 {
		t.Errorf("defaults %+v", s)
	}
	waiting := r.DBF(1, 1)
	r.Send("P1.DBF", waiting) // waits a day for its signatures
	first := r.Items("P1.DBF")[0]

	given := []string{"*.wait"}
	r.Gateway.Reconfigure(gateway.Settings{Hold: time.Hour, Temporary: given, Limits: gateway.Limits{File: 4 << 10}, Language: "en"})
	given[0] = "*"
	if s := r.Gateway.Settings(); s.Hold != time.Hour || s.Temporary[0] != "*.wait" || s.Limits.Files != 10_000 || s.Language != "en" {
		t.Errorf("settings %+v", s)
	}
	if it := r.Items("P1.DBF")[0]; !it.Deadline.Equal(first.Deadline) {
		t.Errorf("the deadline of what waits moved from %s to %s", first.Deadline, it.Deadline)
	}
	content := r.DBF(2, 1)
	r.Upload("P2.DBF", content)
	r.Settle()
	if it := r.Items("P2.DBF")[0]; it.Deadline.Sub(it.Received) != time.Hour {
		t.Errorf("waits %s", it.Deadline.Sub(it.Received))
	}
	if err := r.TryUpload("P3.DBF", make([]byte, 5<<10)); err == nil {
		t.Error("a file above the new limit was taken")
	}
	r.Upload("P4.DBF.wait", content)
	r.Settle()
	if n := len(r.Items("P4.DBF.wait")); n != 0 || !r.Has("/inbox/P4.DBF.wait") {
		t.Errorf("a temporary file was taken: %d", n)
	}
	// Signatures for what came in under the longer hold still find it.
	r.Gateway.Reconfigure(gateway.Settings{Hold: time.Minute})
	r.Advance(3 * time.Hour)
	r.Send("P1.DBF.p7s", r.Detached(waiting, r.Head, r.Accountant))
	if got := r.State("P1.DBF"); got != gateway.StateAccepted {
		t.Errorf("P1 is %s", got)
	}
}
