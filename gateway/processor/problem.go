package processor

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/spool"
)

// Problem is an error as the protocol shows it (RFC 9457, section 3), with the
// extension members message and findings.
type Problem struct {
	Type     string            `json:"type"`
	Title    string            `json:"title"`
	Status   int               `json:"status"`
	Detail   string            `json:"detail,omitempty"`
	Message  formats.Text      `json:"message"`
	Findings []formats.Finding `json:"findings,omitempty"`
}

// The problems. Their types are part of the contract.
var (
	malformed = Problem{Type: "urn:brama:problem:malformed", Status: 400, Title: "malformed request", Message: formats.Text{
		UK: "Запит не відповідає протоколу.", EN: "The request does not follow the protocol.",
	}}
	invalid = Problem{Type: "urn:brama:problem:invalid", Status: 422, Title: "invalid value", Message: formats.Text{
		UK: "Значення в запиті не дозволене.", EN: "A value in the request is not allowed.",
	}}
	notFound = Problem{Type: "urn:brama:problem:not-found", Status: 404, Title: "not found", Message: formats.Text{
		UK: "Такого документа, частини або клієнта немає.", EN: "There is no such submission, part or client.",
	}}
	noMethod = Problem{Type: "urn:brama:problem:method", Status: 405, Title: "method not allowed", Message: formats.Text{
		UK: "Цей метод тут не дозволений.", EN: "This method is not allowed here.",
	}}
	leaseOver = Problem{Type: "urn:brama:problem:lease", Status: 409, Title: "lease unknown or over", Message: formats.Text{
		UK: "Оренда невідома або закінчилася: документ міг отримати інший обробник. Не проводьте його за цією орендою.",
		EN: "The lease is unknown or over: another processor may have the document. Do not process it under this lease.",
	}}
	otherAnswer = Problem{Type: "urn:brama:problem:answer", Status: 409, Title: "answered differently already", Message: formats.Text{
		UK: "На цей документ уже надано іншу відповідь.", EN: "A different answer to this document was given already.",
	}}
	exists = Problem{Type: "urn:brama:problem:exists", Status: 409, Title: "exists already", Message: formats.Text{
		UK: "Файл із таким ім'ям уже є.", EN: "A file of this name exists already.",
	}}
	tooLarge = Problem{Type: "urn:brama:problem:too-large", Status: 413, Title: "too large", Message: formats.Text{
		UK: "Запит більший, ніж дозволено.", EN: "The request is larger than allowed.",
	}}
	wrongType = Problem{Type: "urn:brama:problem:content-type", Status: 415, Title: "content type not supported", Message: formats.Text{
		UK: "Тип вмісту не підтримується.", EN: "The content type is not supported.",
	}}
	refused = Problem{Type: "urn:brama:problem:refused", Status: 422, Title: "statement refused", Message: formats.Text{
		UK: "Виписку не прийнято; зауваження перелічено у findings.", EN: "The statement was not taken; findings tell why.",
	}}
	unavailable = Problem{Type: "urn:brama:problem:unavailable", Status: 503, Title: "not taking work now", Message: formats.Text{
		UK: "Шлюз зараз не приймає роботи. Спробуйте пізніше.", EN: "The gateway takes no work now. Try again later.",
	}}
	internal = Problem{Type: "urn:brama:problem:internal", Status: 500, Title: "internal error", Message: formats.Text{
		UK: "Внутрішня помилка шлюзу; подробиці в його журналі подій. Спробуйте пізніше.", EN: "An internal error; the gateway's log tells more. Try again later.",
	}}
)

// Error makes a Problem an error, so that handlers return it.
func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

func (p Problem) because(detail string) *Problem {
	p.Detail = detail
	return &p
}

// problemOf finds the problem for an error; known is false for what only the log
// may tell.
func problemOf(err error) (p *Problem, known bool) {
	var size *http.MaxBytesError
	var not *gateway.RefusedError
	switch {
	case errors.As(err, &p):
		return p, true
	case errors.As(err, &not):
		r := refused
		r.Findings = not.Findings
		return &r, true
	case errors.As(err, &size), errors.Is(err, spool.ErrTooLarge):
		return &tooLarge, true
	case errors.Is(err, spool.ErrNotFound):
		return &notFound, true
	case errors.Is(err, gateway.ErrLease):
		return &leaseOver, true
	case errors.Is(err, gateway.ErrAnswer):
		return &otherAnswer, true
	case errors.Is(err, gateway.ErrKey):
		return exists.because("the Idempotency-Key was used for another statement"), true
	case errors.Is(err, spool.ErrExists):
		return &exists, true
	case errors.Is(err, gateway.ErrName):
		return invalid.because("name not allowed"), true
	case errors.Is(err, gateway.ErrStopping), errors.Is(err, gateway.ErrQuota), errors.Is(err, gateway.ErrSeal),
		errors.Is(err, spool.ErrFull), errors.Is(err, spool.ErrAway), errors.Is(err, spool.ErrStopped):
		return &unavailable, true
	}
	return &internal, false
}

func writeProblem(w http.ResponseWriter, p *Problem) {
	h := w.Header()
	for _, k := range []string{"Etag", "Content-Length", "Accept-Ranges", "Last-Modified"} {
		h.Del(k)
	}
	h.Set("Content-Type", "application/problem+json")
	if p.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5")
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the peer is gone, or reads it
}
