package main

import "github.com/brama-gateway/brama/crypto/cades"

// meanings say in Ukrainian what a sub-indication means for whoever asks. The detail
// that follows it in a report is in English, as the words of the standards are.
var meanings = map[cades.SubIndication]string{
	cades.FormatFailure:                  "файл підпису побудовано неправильно або пошкоджено",
	cades.HashFailure:                    "підписано інші дані: документ змінено",
	cades.SigCryptoFailure:               "значення підпису не відповідає ключу",
	cades.Revoked:                        "сертифікат відкликано до підписання",
	cades.Expired:                        "сертифікат прострочено до підписання",
	cades.NotYetValid:                    "сертифікат ще не діяв під час підписання",
	cades.SigConstraintsFailure:          "підпис не відповідає вимогам",
	cades.ChainConstraintsFailure:        "ланцюжок сертифікатів не відповідає вимогам",
	cades.CertificateChainGeneralFailure: "ланцюжок сертифікатів не перевірено",
	cades.CryptoConstraintsFailure:       "алгоритм або ключ не дозволено",
	cades.CryptoConstraintsFailureNoPOE:  "алгоритм застарів, а час підписання не доведено",
	cades.PolicyProcessingError:          "політику підпису не опрацьовано",
	cades.SignaturePolicyNotAvailable:    "політика підпису недоступна",
	cades.TimestampOrderFailure:          "позначки часу суперечать одна одній",
	cades.NoSigningCertificateFound:      "сертифіката підписувача немає",
	cades.NoCertificateChainFound:        "немає шляху до кореня довіри",
	cades.RevokedNoPOE:                   "сертифікат відкликано, і не доведено, що підписано раніше",
	cades.RevokedCANoPOE:                 "сертифікат надавача відкликано, і не доведено, що підписано раніше",
	cades.OutOfBoundsNotRevoked:          "сертифікат зараз не діє; його не було відкликано, але час підписання не доведено",
	cades.OutOfBoundsNoPOE:               "сертифікат зараз не діє, а час підписання не доведено",
	cades.RevocationOutOfBoundsNoPOE:     "відомості про відкликання засвідчено сертифікатом, який зараз не діє",
	cades.NoPOE:                          "час підписання не доведено",
	cades.TryLater:                       "немає свіжих відомостей про відкликання: спробуйте пізніше або додайте CRL чи відповідь OCSP",
	cades.SignedDataNotFound:             "немає даних, які було підписано",
}

// meaning is a sub-indication with what it means, in a Ukrainian report.
func (c *call) meaning(sub string) string {
	if text := meanings[cades.SubIndication(sub)]; c.lang == "uk" && text != "" {
		return sub + " (" + text + ")"
	}
	return sub
}
