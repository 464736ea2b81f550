package processor

import (
	"testing"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/openapitest"
)

func openapi(t *testing.T) openapitest.Spec {
	t.Helper()
	return openapitest.Read(t, "../../docs/processor.openapi.yaml")
}

func TestOpenAPI(t *testing.T) {
	t.Parallel()
	s := openapi(t)
	var code []string
	for _, r := range routes {
		code = append(code, r.method+" "+r.path)
	}
	s.Paths(t, code)
	s.References(t)
	s.Schemas(t, map[string]any{
		"LeaseRequest": LeaseRequest{}, "LeaseResponse": LeaseResponse{}, "Lease": gateway.Lease{},
		"ExtendRequest": ExtendRequest{}, "ExtendResponse": ExtendResponse{}, "Answer": gateway.Answer{},
		"StatementResponse": StatementResponse{}, "Submission": gateway.Submission{}, "Part": gateway.Part{},
		"SignatureView": gateway.SignatureView{}, "SignerView": gateway.SignerView{}, "Problem": Problem{},
		"ProfileRef": formats.ProfileRef{}, "Entry": formats.Entry{}, "Finding": formats.Finding{}, "Text": formats.Text{},
	})
}
