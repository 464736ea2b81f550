package gateway_test

import (
	"errors"
	"testing"

	"github.com/brama-gateway/brama/formats/classifier"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
	"github.com/brama-gateway/brama/spool"
)

func TestClassifiersOutliveTheCore(t *testing.T) {
	t.Parallel()
	r := gatewaytest.New(t, gatewaytest.Setup{})
	ctx := r.Ctx()
	if _, err := r.Gateway.ImportClassifier(ctx, "kekv", []classifier.Entry{{Code: "2273"}, {Code: "2111"}}, "", "somebody"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Gateway.ImportClassifier(ctx, "kekv", []classifier.Entry{{Code: "2273"}, {Code: "3110"}}, "2026-06-01", "somebody"); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range [][]classifier.Entry{nil, {{Code: ""}}} {
		if _, err := r.Gateway.ImportClassifier(ctx, "kekv", wrong, "", "somebody"); !errors.Is(err, gateway.ErrClassifier) {
			t.Errorf("%v: %v", wrong, err)
		}
	}
	r.Restart()
	set := r.Gateway.Classifiers()
	for _, c := range []struct {
		code, day string
		in        bool
	}{{"2273", "2026-07-01", true}, {"2111", "2026-05-31", true}, {"2111", "2026-06-01", false}, {"3110", "2026-05-31", false}, {"3110", "2026-06-01", true}} {
		if in, known := set.Contains("kekv", c.code, c.day); in != c.in || !known {
			t.Errorf("%+v: %v %v", c, in, known)
		}
	}
	n := 0
	err := r.Store.View(ctx, func(v spool.Reader) error {
		events, err := v.Events(0, 1000)
		for _, e := range events {
			if e.Kind == "classifier" {
				n++
			}
		}
		return err
	})
	if err != nil || n != 2 {
		t.Errorf("%d journal records, %v", n, err)
	}
}
