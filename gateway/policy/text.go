package policy

import (
	"fmt"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway/client"
)

// The texts tell an accountant what to do. They carry no code, name or sum of a
// person: a receipt may be read by others.
var (
	caseUnknown = formats.Text{
		UK: "Документ не вдалося розглянути: облікові дані установи тимчасово недоступні.",
		EN: "The document could not be examined: the institution's register entry is not available at the moment.",
	}
	clientDisabled = formats.Text{
		UK: "Приймання документів від вашої установи зупинено. Зверніться до органу Казначейства.",
		EN: "Documents of your institution are not accepted at present. Contact the treasury.",
	}
	kindUnknown = formats.Text{
		UK: "Вид документа не розпізнано. Перевірте, чи той файл надіслано і чи у правильному форматі.",
		EN: "The kind of document was not recognised. Check that you sent the right file, in the right format.",
	}
	formatRefused = formats.Text{
		UK: "Документ містить помилки, названі в цій квитанції. Виправте їх, підпишіть документ заново і надішліть.",
		EN: "The document has the errors that this receipt names. Correct them, sign the document anew and send it.",
	}
	sumNegative = formats.Text{
		UK: "Сума документа від'ємна. Виправте суму, підпишіть документ заново і надішліть.",
		EN: "The sum of the document is negative. Correct it, sign the document anew and send it.",
	}
	tooMany = formats.Text{
		UK: "Під документом забагато підписів (більше ніж 16). Залиште лише потрібні підписи й надішліть заново.",
		EN: "There are too many signatures (more than 16). Keep only those that are needed and send again.",
	}
	noSignature = formats.Text{
		UK: "Під документом немає жодного електронного підпису.",
		EN: "The document has no electronic signature.",
	}
	tryLater = formats.Text{
		UK: "Немає свіжих відомостей про чинність сертифіката підписувача.",
		EN: "There is no fresh word on whether the signatory's certificate is in force.",
	}
	ambiguous = formats.Text{
		UK: "У сертифікаті підписувача більше ніж один код особи або установи, тому встановити підписувача не можна. Підпишіть іншим сертифікатом або зверніться до надавача, який його видав.",
		EN: "The signatory's certificate has more than one personal or organisation code, so the signatory cannot be told. Sign with another certificate or contact its issuer.",
	}
	stranger = formats.Text{
		UK: "Підпис правильний, але ця особа не є підписувачем вашої установи. Перевірте, чиїм ключем підписано; якщо особа має право підпису, подайте її дані до органу Казначейства.",
		EN: "The signature is valid, but this person is not a signatory of your institution. Check whose key was used; if the person has the right to sign, register the person with the treasury.",
	}
	notInForce = formats.Text{
		UK: "Право підпису цієї особи ще не почалося або вже закінчилося. Підпишіть документ іншою уповноваженою особою або подайте до органу Казначейства новий строк повноважень.",
		EN: "This person's right to sign has not begun or has ended. Have the document signed by another entitled person, or register the new term with the treasury.",
	}
	limitExceeded = formats.Text{
		UK: "Сума документа перевищує межу, до якої ця особа має право підпису. Підпишіть документ особою, яка має право на таку суму.",
		EN: "The sum of the document is above the limit up to which this person may sign. Have it signed by a person who may sign for this sum.",
	}
	samePerson = formats.Text{
		UK: "Ця особа підписала документ кілька разів; враховано один підпис.",
		EN: "This person signed the document more than once; one signature was counted.",
	}
	policyEmpty = formats.Text{
		UK: "Для цього виду документа не встановлено, чиї підписи потрібні. Зверніться до органу Казначейства.",
		EN: "It is not set whose signatures this kind of document needs. Contact the treasury.",
	}
)

func kindNotAllowed(kind string) formats.Text {
	uk, en := kindName(kind)
	return formats.Text{
		UK: fmt.Sprintf("Вашій установі не дозволено надсилати документи виду «%s». Надішліть інший документ або зверніться до органу Казначейства.", uk),
		EN: fmt.Sprintf("Your institution may not send documents of the kind %q. Send another document or contact the treasury.", en),
	}
}

func profileNotAllowed(profile string) formats.Text {
	return formats.Text{
		UK: fmt.Sprintf("Вашій установі не дозволено надсилати файли формату %q. Надішліть документ у дозволеному форматі.", profile),
		EN: fmt.Sprintf("Your institution may not send files of the layout %q. Send the document in an allowed one.", profile),
	}
}

func notForKind(kind string) formats.Text {
	uk, en := kindName(kind)
	return formats.Text{
		UK: fmt.Sprintf("Ця особа не має права підписувати документи виду «%s». Підпишіть документ іншою уповноваженою особою.", uk),
		EN: fmt.Sprintf("This person may not sign documents of the kind %q. Have it signed by another entitled person.", en),
	}
}

func duplicate(first string) formats.Text {
	return formats.Text{
		UK: fmt.Sprintf("Цей документ уже надійшов раніше під номером %s. Повторно надсилати його не потрібно.", first),
		EN: fmt.Sprintf("This document was received before, as %s. There is no need to send it again.", first),
	}
}

func missingRole(role client.Role, n int) formats.Text {
	if role == client.Seal {
		return formats.Text{UK: "Бракує електронної печатки установи.", EN: "The electronic seal of the institution is missing."}
	}
	uk, en := roleName(role)
	if n == 1 {
		return formats.Text{
			UK: "Бракує підпису " + uk + ".",
			EN: "The signature of " + en + " is missing.",
		}
	}
	return formats.Text{
		UK: fmt.Sprintf("Бракує підписів %s: потрібно ще %d.", uk, n),
		EN: fmt.Sprintf("%d more signatures in the role of %s are missing.", n, en),
	}
}

func missingAny(n int) formats.Text {
	return formats.Text{
		UK: fmt.Sprintf("Бракує підписів уповноважених осіб: потрібно ще %d, кожен від іншої особи.", n),
		EN: fmt.Sprintf("Signatures of entitled persons are missing: %d more, each of another person.", n),
	}
}

// roleName gives a role as it stands after "підпису" and "signature of".
func roleName(role client.Role) (uk, en string) {
	switch role {
	case client.Head:
		return "керівника", "the head"
	case client.Accountant:
		return "головного бухгалтера", "the chief accountant"
	default:
		return "іншої уповноваженої особи", "another entitled person"
	}
}

func kindName(kind string) (uk, en string) {
	if t, ok := formats.Titles[formats.Kind(kind)]; ok {
		return t.UK, t.EN
	}
	return kind, kind
}

// What follows a reason.
var (
	noResend = formats.Text{
		UK: "Перевірка повториться сама; надсилати документ ще раз не потрібно.",
		EN: "The check will be repeated by itself; there is no need to send the document again.",
	}
	sendSignature = formats.Text{
		UK: "Документ чекає: надішліть файл підпису до нього.",
		EN: "The document is waiting: send the signature file for it.",
	}
	signAndSend = formats.Text{
		UK: "Додайте підпис і надішліть документ заново.",
		EN: "Add the signature and send the document again.",
	}
	timeOver = formats.Text{
		UK: "Строк очікування минув, документ відхилено. Надішліть його заново.",
		EN: "The time of waiting is over and the document is rejected. Send it again.",
	}
)

// join puts what follows after a text.
func join(t, next formats.Text) formats.Text {
	if next.UK == "" {
		return t
	}
	return formats.Text{UK: t.UK + " " + next.UK, EN: t.EN + " " + next.EN}
}

// failed tells of a signature that is certainly bad.
func failed(sub string) formats.Text {
	uk, en := "Підпис недійсний.", "The signature is not valid."
	switch sub {
	case "HASH_FAILURE":
		uk, en = "Документ змінено після підписання.", "The document was changed after it was signed."
	case "SIG_CRYPTO_FAILURE":
		uk, en = "Підпис не відповідає ключу підписувача: файл підпису пошкоджено або змінено.", "The signature does not fit the signatory's key: the signature file is damaged or was changed."
	case "FORMAT_FAILURE":
		uk, en = "Файл підпису пошкоджено, або його формат не підтримується.", "The signature file is damaged, or its format is not supported."
	case "REVOKED":
		uk, en = "Сертифікат підписувача скасовано.", "The signatory's certificate is revoked."
	case "EXPIRED":
		uk, en = "Строк дії сертифіката підписувача закінчився.", "The signatory's certificate has expired."
	case "NOT_YET_VALID":
		uk, en = "Строк дії сертифіката підписувача ще не почався.", "The signatory's certificate is not valid yet."
	}
	switch sub {
	case "REVOKED", "EXPIRED", "NOT_YET_VALID":
		uk, en = uk+" Підпишіть чинним сертифікатом і надішліть заново.", en+" Sign with a certificate in force and send again."
	default:
		uk, en = uk+" Підпишіть документ заново і надішліть.", en+" Sign the document anew and send it."
	}
	return formats.Text{UK: uk, EN: en}
}

// indeterminate tells of a signature that could not be proved.
func indeterminate(sub string) formats.Text {
	switch sub {
	case "EXPIRED", "OUT_OF_BOUNDS_NO_POE", "OUT_OF_BOUNDS_NOT_REVOKED":
		return failed("EXPIRED")
	case "NOT_YET_VALID":
		return failed("NOT_YET_VALID")
	case "REVOKED_NO_POE", "REVOKED_CA_NO_POE":
		return failed("REVOKED")
	case "NO_SIGNING_CERTIFICATE_FOUND":
		return formats.Text{
			UK: "У файлі підпису немає сертифіката підписувача. Підпишіть документ так, щоб сертифікат було додано до підпису.",
			EN: "The signature file lacks the signatory's certificate. Sign so that the certificate is included.",
		}
	case "NO_CERTIFICATE_CHAIN_FOUND", "NO_CERTIFICATE_CHAIN_FOUND_NO_POE", "CHAIN_CONSTRAINTS_FAILURE":
		return formats.Text{
			UK: "Сертифікат підписувача видано надавачем, якому Казначейство не довіряє, або побудувати ланцюжок сертифікатів не вдалося. Підпишіть документ кваліфікованим сертифікатом.",
			EN: "The signatory's certificate is not of an issuer that the treasury trusts, or its chain could not be built. Sign with a qualified certificate.",
		}
	case "SIG_CONSTRAINTS_FAILURE":
		return formats.Text{
			UK: "Підпис не має обов'язкових ознак кваліфікованого підпису (формат CAdES, сертифікат для підпису, правильний час). Оновіть програму підписання або змініть її налаштування і підпишіть документ заново.",
			EN: "The signature lacks what a qualified one must have (CAdES format, a certificate for signing, a right time). Update or set up the signing program and sign anew.",
		}
	case "CRYPTO_CONSTRAINTS_FAILURE", "CRYPTO_CONSTRAINTS_FAILURE_NO_POE":
		return formats.Text{
			UK: "Підпис зроблено застарілим або недозволеним алгоритмом. Підпишіть документ ключем з дозволеним алгоритмом.",
			EN: "The signature uses an outdated algorithm or one that is not allowed. Sign with a key of an allowed algorithm.",
		}
	case "SIGNED_DATA_NOT_FOUND":
		return formats.Text{
			UK: "Підпис надійшов без документа. Надішліть документ з тим самим ім'ям.",
			EN: "The signature came without its document. Send the document under the same name.",
		}
	default:
		return formats.Text{
			UK: "Підпис не вдалося перевірити остаточно. Якщо це повториться, підпишіть документ заново або зверніться до органу Казначейства.",
			EN: "The signature could not be proved. If this happens again, sign anew or contact the treasury.",
		}
	}
}
