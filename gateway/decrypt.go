package gateway

import (
	"errors"
	"io"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/enveloped"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/transport"
	"github.com/brama-gateway/brama/formats"
)

// A document may arrive encrypted to the gateway. What is opened has to be a
// signed container, since encryption proves nothing: everybody has the gateway's
// certificate, and the older ciphers do not even show that a content was altered.
//
// The answers must not help somebody who caught another's encrypted file and
// sends it, as it is or altered, under his own name (the package comment of
// crypto/enveloped). So all that fails between the key and a good signature has
// the one finding ENC-CONTENT, and of a document that nobody of the client signed
// the receipt tells nothing (conceal).

func notForUs() formats.Finding {
	return finding("ENC-NOT-FOR-US",
		"Файл зашифровано не для шлюзу казначейства. Зашифруйте його на чинний сертифікат шлюзу або надішліть лише з підписом.",
		"The file is not encrypted for the treasury's gateway. Encrypt it to the gateway's present certificate, or send it signed only.")
}

func notAsked() formats.Finding {
	return finding("ENC-NOT-ACCEPTED",
		"Шлюз не приймає зашифрованих файлів. Надішліть документ лише з підписом: з'єднання захищає його дорогою.",
		"The gateway does not take encrypted files. Send the document signed only: the connection protects it on the way.")
}

func encryptedBadly() formats.Finding {
	return finding("ENC-FORMAT",
		"Файл зашифровано у спосіб, якого шлюз не підтримує, або він неповний. Оновіть програму шифрування і надішліть файл ще раз.",
		"The file is encrypted in a way that the gateway does not support, or is incomplete. Update the encryption software and send the file again.")
}

func senderUnknown() formats.Finding {
	return finding("ENC-SENDER",
		"Файл зашифровано на ваш ключ узгодження, а його сертифіката шлюз не має. Передайте сертифікат казначейству або зашифруйте з тимчасовим ключем.",
		"The file was encrypted with your key agreement key, whose certificate the gateway does not have. Give the certificate to the treasury, or encrypt with an ephemeral key.")
}

func notSigned() formats.Finding {
	return finding("ENC-CONTENT",
		"Після розшифрування немає підписаного документа зі справжнім підписом: файл пошкоджено або зашифровано без підпису. Спершу підпишіть документ (підпис разом зі змістом), потім зашифруйте.",
		"After decryption there is no signed document with a genuine signature: the file is damaged or was encrypted unsigned. First sign the document (the signature with its content), then encrypt.")
}

func strangersDocument() formats.Finding {
	return finding("ENC-STRANGER",
		"Зашифрований документ не підписав ніхто з ваших підписувачів, тому про його зміст відповіді немає. Надішліть документ, підписаний вашою установою.",
		"Nobody of your signatories signed the encrypted document, so nothing is answered about its content. Send a document that your institution signed.")
}

// opening is what came of taking the layers around a signed container off.
type opening struct {
	container []byte // what is to be judged
	encrypted bool
	proved    bool // every cipher showed that its content is whole
	wrapped   bool // a transport wrapper was taken off here
	// Instead of a container: what is wrong, or the verdict on a signature around
	// what is encrypted that did not pass.
	finding *formats.Finding
	outer   *cades.Report
}

func (o opening) refuse(f formats.Finding) opening {
	o.finding = &f
	return o
}

// opened takes off what lies around a signed container: encryption, and where
// the client's entry tolerates them the transport wrappers around and within it
// (sign, encrypt, sign).
func (c *Case) opened(v *Verdict, b []byte) opening {
	o := opening{container: b, proved: true}
	var senders []*pki.Certificate
	for range 2 * transport.MaxNesting {
		if transport.Is(o.container) {
			sender, more := c.unwrap(v, &o)
			if !more {
				return o.signed()
			}
			senders = append(senders, sender...)
			continue
		}
		if cades.Sniff(o.container) != cades.Enveloped {
			return o.signed()
		}
		if len(c.Keys) == 0 {
			return o.refuse(notAsked())
		}
		data, err := cms.Unarmour(o.container)
		if err != nil {
			return o.refuse(encryptedBadly())
		}
		in, err := enveloped.Decrypt(data, c.Keys, append(senders, c.senders()...)...)
		switch {
		case errors.Is(err, enveloped.ErrNotForUs):
			return o.refuse(notForUs())
		case errors.Is(err, enveloped.ErrOriginator):
			return o.refuse(senderUnknown())
		case errors.Is(err, enveloped.ErrDamaged):
			return o.refuse(notSigned())
		case err != nil:
			return o.refuse(encryptedBadly())
		}
		o.container, o.encrypted, o.proved = in.Content, true, o.proved && in.Authenticated
	}
	return o.refuse(notSigned())
}

// signed refuses what was encrypted and is no container with content.
func (o opening) signed() opening {
	if o.encrypted && o.outer == nil && o.finding == nil && cades.Sniff(o.container) != cades.Attached && !isASiC(o.container) {
		return o.refuse(notSigned())
	}
	return o
}

// unwrap takes one wrapper off for the sake of what is encrypted in it. Without
// that it stays, and is judged with what it carries by package cades.
func (c *Case) unwrap(v *Verdict, o *opening) (senders []*pki.Certificate, more bool) {
	if !c.tolerances()[cades.TransportWrapper] {
		return nil, false
	}
	f, err := transport.Parse(o.container)
	if err != nil {
		return nil, false
	}
	p, err := f.Payload()
	if err != nil {
		return nil, false
	}
	if p.Kind == transport.Encrypted {
		if cert, err := pki.ParseCertificate(p.Certificate); err == nil {
			senders = append(senders, cert)
		}
		o.container, o.wrapped = p.Data, true
		return senders, cades.Sniff(p.Data) == cades.Enveloped
	}
	if p.Kind != transport.Signed || p.Content != nil {
		return nil, false
	}
	sd, err := cms.Parse(p.Data, cms.Options{BERSignerInfo: true})
	if err != nil || !sd.Attached || !transport.Is(sd.Content) {
		return nil, false
	}
	// A signature over a further wrapper has to hold, and counts for nobody: it is
	// over what was encrypted, which its signer need not have been able to read.
	if !c.reading {
		if rep := c.judgement(v, p.Data, nil); rep.Indication != cades.TotalPassed {
			o.outer = rep
			return nil, false
		}
	}
	o.container, o.wrapped = sd.Content, true
	return nil, true
}

// senders are certificates among which a sender's is looked for.
func (c *Case) senders() []*pki.Certificate {
	var out []*pki.Certificate
	if m := c.material(); m != nil {
		out = append(out, m.Certificates()...)
	}
	if c.Entry != nil && c.Entry.Encrypt != "" {
		if cert, err := pki.ParseCertificatePEM([]byte(c.Entry.Encrypt)); err == nil {
			out = append(out, cert)
		}
	}
	return out
}

// read gives a file's bytes, or the verdict on one that cannot be read.
func (p Piece) read() ([]byte, *cades.Report) {
	if p.Content.Size() > maxContainer {
		return nil, &cades.Report{Indication: cades.TotalFailed, SubIndication: cades.FormatFailure, Detail: "container too large"}
	}
	whole := make([]byte, p.Content.Size())
	if _, err := p.Content.ReadAt(whole, 0); err != nil && err != io.EOF {
		return nil, &cades.Report{Indication: cades.TotalFailed, SubIndication: cades.FormatFailure, Detail: "container unreadable"}
	}
	return whole, nil
}

// container judges a container that carries its content, out of its encryption,
// and writes into the verdict what it finds.
func (c *Case) container(v *Verdict, p Piece) *cades.Report {
	whole, rep := p.read()
	if rep != nil {
		v.judge(p.Name, rep)
		return rep
	}
	o := c.opened(v, whole)
	v.encrypted = o.encrypted
	refuse := func(f formats.Finding) *cades.Report {
		f.Field = p.Name
		v.add(f)
		return &cades.Report{}
	}
	if o.finding != nil {
		return refuse(*o.finding)
	}
	if o.outer != nil && v.away != nil {
		return &cades.Report{} // it passes or not when it can be judged
	}
	if o.outer != nil {
		v.outer = o.outer
		return refuse(signatureFinding(o.outer.Indication, o.outer.SubIndication))
	}
	if o.encrypted {
		v.opened = o.container
	}
	var fault *formats.Finding
	if isASiC(o.container) {
		rep, fault = c.associated(v, o.container)
	} else {
		rep = c.judgement(v, o.container, nil)
	}
	if o.encrypted && !o.proved && rep.Indication == cades.TotalFailed && !c.reading {
		v.Container = nil
		return refuse(notSigned())
	}
	if o.wrapped {
		for i := range rep.Signatures {
			rep.Signatures[i].Tolerances = append(rep.Signatures[i].Tolerances, cades.TransportWrapper)
		}
	}
	if fault != nil {
		fault.Field = p.Name
		v.add(*fault)
		if len(rep.Signatures) == 0 {
			return rep
		}
	}
	v.judge(p.Name, rep)
	return rep
}

// conceal takes out of a verdict on an encrypted document all that tells of the
// document, where nobody of the client has signed it: he who sends it need not be
// able to read it.
func (c *Case) conceal(v *Verdict, roles []string, sigs []cades.Signature) {
	if !v.encrypted || c.Entry == nil || v.Outcome == Accepted || len(sigs) == 0 {
		return
	}
	for i, s := range sigs {
		own := s.Signer != nil && c.Entry.EDRPOU != "" && s.Indication != cades.TotalFailed && s.Signer.Codes().EDRPOU == c.Entry.EDRPOU
		if own || i < len(roles) && roles[i] != "" {
			return
		}
	}
	*v = Verdict{
		Outcome: Rejected, Document: v.Document, encrypted: true, fault: v.fault,
		Findings: []formats.Finding{strangersDocument()},
	}
}
