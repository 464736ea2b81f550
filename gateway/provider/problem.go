package provider

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway/socket"
)

// Problem is an error as the protocol shows it (RFC 9457, section 3), with the
// extension member message.
type Problem struct {
	Type    string       `json:"type"`
	Title   string       `json:"title"`
	Status  int          `json:"status"`
	Detail  string       `json:"detail,omitempty"`
	Message formats.Text `json:"message"`
}

// The problems. Their types are part of the contract.
var (
	malformed = Problem{Type: "urn:brama:problem:malformed", Status: 400, Title: "malformed request", Message: formats.Text{
		UK: "Запит не відповідає протоколу.", EN: "The request does not follow the protocol.",
	}}
	notFound = Problem{Type: "urn:brama:problem:not-found", Status: 404, Title: "not found", Message: formats.Text{
		UK: "Такого ключа або такої операції немає.", EN: "There is no such key or operation.",
	}}
	noMethod = Problem{Type: "urn:brama:problem:method", Status: 405, Title: "method not allowed", Message: formats.Text{
		UK: "Цей метод тут не дозволений.", EN: "This method is not allowed here.",
	}}
	tooLarge = Problem{Type: "urn:brama:problem:too-large", Status: 413, Title: "too large", Message: formats.Text{
		UK: "Запит більший, ніж дозволено.", EN: "The request is larger than allowed.",
	}}
	wrongType = Problem{Type: "urn:brama:problem:content-type", Status: 415, Title: "content type not supported", Message: formats.Text{
		UK: "Тип вмісту не підтримується.", EN: "The content type is not supported.",
	}}
	unsignable = Problem{Type: "urn:brama:problem:unsignable", Status: 422, Title: "not signed", Message: formats.Text{
		UK: "Це не набір підписуваних атрибутів для сертифіката цього ключа. Нічого іншого ключ не підписує.",
		EN: "This is not a set of signed attributes for this key's certificate. The key signs nothing else.",
	}}
	invalid = Problem{Type: "urn:brama:problem:invalid", Status: 422, Title: "invalid value", Message: formats.Text{
		UK: "Значення в запиті не дозволене.", EN: "A value in the request is not allowed.",
	}}
	internal = Problem{Type: "urn:brama:problem:internal", Status: 500, Title: "internal error", Message: formats.Text{
		UK: "Внутрішня помилка; подробиці в журналі подій провайдера.", EN: "An internal error; the provider's log tells more.",
	}}
	notOffered = Problem{Type: "urn:brama:problem:not-offered", Status: 501, Title: "not offered", Message: formats.Text{
		UK: "Цей провайдер такої операції не виконує.", EN: "This provider does not do this operation.",
	}}
	unavailable = Problem{Type: "urn:brama:problem:unavailable", Status: 503, Title: "not now", Message: formats.Text{
		UK: "Провайдер зараз не може цього виконати. Спробуйте пізніше.", EN: "The provider cannot do it now. Try again later.",
	}}
)

// Error makes a Problem an error.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return p.Title
	}
	return p.Title + ": " + p.Detail
}

func (p Problem) because(detail string) *Problem {
	p.Detail = detail
	return &p
}

// problemOf finds the problem for an error; known is false for what only the log
// may tell.
func problemOf(err error) (p *Problem, known bool) {
	var size *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		return p, true
	case errors.As(err, &size):
		return &tooLarge, true
	case errors.Is(err, socket.ErrContentType):
		return wrongType.because(err.Error()), true
	}
	return &internal, false
}

func writeProblem(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the peer is gone, or reads it
}
