package gateway

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway/policy"
)

// signatureTexts say what a failed validation means to the person who sent the
// file. The rule's id is "SIG-" and the sub-indication.
var signatureTexts = map[cades.SubIndication]formats.Text{
	cades.FormatFailure: {
		UK: "Файл підпису пошкоджений, неповний або не є підписом CAdES. Підпишіть документ ще раз і надішліть файл повністю.",
		EN: "The signature file is damaged, incomplete or not a CAdES signature. Sign the document again and send the whole file.",
	},
	cades.HashFailure: {
		UK: "Зміст документа не відповідає підпису: після підписання документ змінено, або підпис зроблено для іншого файлу.",
		EN: "The document does not match the signature: it was changed after signing, or the signature was made for another file.",
	},
	cades.SigCryptoFailure: {
		UK: "Підпис не справжній: його значення не відповідає сертифікату підписувача.",
		EN: "The signature is not genuine: its value does not match the signer's certificate.",
	},
	cades.SignedDataNotFound: {
		UK: "Немає документа, до якого належить підпис.",
		EN: "The document that the signature belongs to is missing.",
	},
	cades.NoSigningCertificateFound: {
		UK: "Не знайдено сертифікат підписувача або підпис вказує на інший сертифікат. Підпишіть із включенням сертифіката.",
		EN: "The signer's certificate was not found, or the signature refers to another certificate. Sign with the certificate included.",
	},
	cades.NoCertificateChainFound: {
		UK: "Сертифікат підписувача видано центром, якому казначейство не довіряє.",
		EN: "The signer's certificate was issued by an authority that the treasury does not trust.",
	},
	cades.RevokedNoPOE: {
		UK: "Сертифікат підписувача відкликано. Потрібен підпис з чинним сертифікатом.",
		EN: "The signer's certificate is revoked. A signature with a valid certificate is needed.",
	},
	cades.Revoked: {
		UK: "Сертифікат підписувача відкликано. Потрібен підпис з чинним сертифікатом.",
		EN: "The signer's certificate is revoked. A signature with a valid certificate is needed.",
	},
	cades.OutOfBoundsNoPOE: {
		UK: "Сертифікат підписувача прострочений або ще не чинний на час одержання. Потрібен підпис з чинним сертифікатом.",
		EN: "The signer's certificate is expired or not yet valid at the time of reception. A signature with a valid certificate is needed.",
	},
	cades.SigConstraintsFailure: {
		UK: "Підпис не відповідає вимогам CAdES-B: перевірте, що сертифікат призначено для підпису і що час підпису правильний.",
		EN: "The signature does not keep the requirements of CAdES-B: check that the certificate is meant for signing and that the signing time is right.",
	},
	cades.ChainConstraintsFailure: {
		UK: "Сертифікат підписувача або центру, що його видав, не можна використати для підпису документів.",
		EN: "The certificate of the signer, or of the authority that issued it, may not be used to sign documents.",
	},
	cades.CryptoConstraintsFailure: {
		UK: "Підпис зроблено ненадійним алгоритмом. Оновіть програму підпису.",
		EN: "The signature was made with an algorithm that is not secure. Update the signing software.",
	},
	cades.TryLater: {
		UK: "Чинність сертифіката підписувача зараз не можна перевірити: немає свіжих відомостей про відкликання. Перевірку буде повторено.",
		EN: "The signer's certificate cannot be checked now: there is no fresh revocation data. The check will be repeated.",
	},
}

// otherSignature is said for whatever the table does not have.
var otherSignature = formats.Text{
	UK: "Підпис не вдалося підтвердити.",
	EN: "The signature could not be confirmed.",
}

func signatureFinding(ind cades.Indication, sub cades.SubIndication) formats.Finding {
	rule := "SIG-" + string(sub)
	if sub == "" {
		rule = "SIG-" + ind.String()
	}
	text, ok := signatureTexts[sub]
	if !ok {
		text = otherSignature
	}
	f := formats.Finding{Rule: rule, Severity: formats.Error, Message: text}
	if sub == cades.TryLater {
		f.Severity = formats.Warning // it holds, it does not refuse
	}
	return f
}

// containerFinding says what is wrong with a container as a whole. Where it is
// one of its signatures, policy names that one, and there is nothing to add.
func containerFinding(rep *cades.Report) (formats.Finding, bool) {
	for _, s := range rep.Signatures {
		if s.Indication != cades.TotalPassed {
			return formats.Finding{}, false
		}
	}
	if rep.NotContainer {
		return finding("SIG-NOT-A-CONTAINER",
			"Файл названо підписом, але підпису в ньому немає.",
			"The file is named as a signature and holds none."), true
	}
	return signatureFinding(rep.Indication, rep.SubIndication), true
}

// policySignature is what the policy is told of a signature.
func policySignature(s cades.Signature) policy.Signature {
	out := policy.Signature{SubIndication: string(s.SubIndication)}
	switch s.Indication {
	case cades.TotalPassed:
		out.Indication = policy.Passed
	case cades.TotalFailed:
		out.Indication = policy.Failed
	default:
		out.Indication = policy.Indeterminate
	}
	if s.Signer == nil {
		return out
	}
	sum := s.Signer.SHA256()
	out.CertSHA256 = hex.EncodeToString(sum[:])
	codes := s.Signer.Codes()
	out.EDRPOU, out.Person, out.AmbiguousCodes = codes.EDRPOU, codes.Person, codes.Ambiguous
	key := sha256.Sum256(s.Signer.RawSPKI)
	out.KeyID = hex.EncodeToString(key[:])
	out.SealCertificate = s.Signer.IsSeal()
	return out
}

func outcome(a policy.Action) Outcome {
	switch a {
	case policy.Accept:
		return Accepted
	case policy.Reject:
		return Rejected
	}
	return Held
}

// formatDecision is for tools that look at the format alone.
func formatDecision(report *formats.Report) policy.Decision {
	if report != nil && report.OK() {
		return policy.Decision{Action: policy.Accept}
	}
	return policy.Decision{Action: policy.Reject}
}
