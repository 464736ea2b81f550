package kind

import "github.com/brama-gateway/brama/formats"

// Head is what every document of a body of the budget network has.
type Head struct {
	Number string `field:"number" type:"text" max:"35" need:"head,required" dbf:"NUMBER" uk:"номер документа" en:"number of the document"`
	Date   string `field:"date" type:"date" need:"head,required" dbf:"DATE" uk:"дата документа" en:"date of the document"`
	Code   string `field:"sender.code" type:"edrpou" need:"head,required" dbf:"SND_CODE" uk:"код ЄДРПОУ розпорядника, який надсилає" en:"EDRPOU of the body that sends"`
	Name   string `field:"sender.name" type:"text" max:"140" need:"head,required" dbf:"SND_NAME" uk:"найменування розпорядника, який надсилає" en:"name of the body that sends"`
}

// Positive reports an amount at path that is not greater than zero.
func Positive(report Report, path string, amount int64) {
	if amount <= 0 {
		report(path, formats.Text{UK: "Сума повинна бути більшою за нуль.", EN: "The amount must be greater than zero."})
	}
}

// Present reports that a value at path is missing.
func Present(report Report, path, value string) {
	if value == "" {
		report(path, formats.Text{UK: "Поле порожнє. Заповніть його.", EN: "The field is empty. Fill it in."})
	}
}

// Absent reports a value at path that must not be there.
func Absent(report Report, path, value string) {
	if value != "" {
		report(path, formats.Text{UK: "Це поле повинно бути порожнім.", EN: "This field must be empty."})
	}
}

// NotAfter reports path if its date is after the other.
func NotAfter(report Report, path, date, other string, m formats.Text) {
	if n, ok := formats.Days(other, date); ok && n > 0 {
		report(path, m)
	}
}
