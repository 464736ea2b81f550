// Package plan holds the documents by which a budget is planned: the schedule
// (розпис) and its changes, the estimate (кошторис), the plan of allotments and
// their changes, and the distribution of open allocations; canonical types and
// rules.
//
// References: order 57 of the Ministry of Finance of 28.01.2002 (forms of the
// estimate and of the plan of allotments); order 1407 of 22.12.2012 (treasury
// service of the state budget); order 938 of 23.08.2012 (of local budgets); order
// 11 of 14.01.2011 (classification). Clauses that were not verified make warnings.
package plan

import (
	"strings"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/kind"
)

const (
	cite57    = "order 57 of 28.01.2002 of the Ministry of Finance (form; clause not verified)"
	cite938   = "order 938 of 23.08.2012 of the Ministry of Finance (clause not verified)"
	cite1407  = "order 1407 of 22.12.2012 of the Ministry of Finance (clause not verified)"
	cite11    = "order 11 of 14.01.2011 of the Ministry of Finance (structure of KEKV)"
	citeBrama = "Brama, formats/plan"
)

// Budget is what says of which budget and year a plan is.
type Budget struct {
	Year   string `field:"year" type:"digits" max:"4" need:"head,required" dbf:"YEAR" uk:"бюджетний рік" en:"budget year"`
	Budget string `field:"budget" type:"digits" max:"10" need:"head,required" dbf:"BUDGET" uk:"код бюджету, 10 цифр" en:"code of the budget, 10 digits"`
	Fund   string `field:"fund" type:"word" values:"general|special" need:"head,required" dbf:"FUND" uk:"фонд: general (загальний) або special (спеціальний)" en:"fund: general or special"`
}

// Months are the sums of a year.
type Months struct {
	M01 int64 `field:"months.m01" type:"change" dbf:"M01" uk:"січень, гривні" en:"January, hryvnias"`
	M02 int64 `field:"months.m02" type:"change" dbf:"M02" uk:"лютий, гривні" en:"February, hryvnias"`
	M03 int64 `field:"months.m03" type:"change" dbf:"M03" uk:"березень, гривні" en:"March, hryvnias"`
	M04 int64 `field:"months.m04" type:"change" dbf:"M04" uk:"квітень, гривні" en:"April, hryvnias"`
	M05 int64 `field:"months.m05" type:"change" dbf:"M05" uk:"травень, гривні" en:"May, hryvnias"`
	M06 int64 `field:"months.m06" type:"change" dbf:"M06" uk:"червень, гривні" en:"June, hryvnias"`
	M07 int64 `field:"months.m07" type:"change" dbf:"M07" uk:"липень, гривні" en:"July, hryvnias"`
	M08 int64 `field:"months.m08" type:"change" dbf:"M08" uk:"серпень, гривні" en:"August, hryvnias"`
	M09 int64 `field:"months.m09" type:"change" dbf:"M09" uk:"вересень, гривні" en:"September, hryvnias"`
	M10 int64 `field:"months.m10" type:"change" dbf:"M10" uk:"жовтень, гривні" en:"October, hryvnias"`
	M11 int64 `field:"months.m11" type:"change" dbf:"M11" uk:"листопад, гривні" en:"November, hryvnias"`
	M12 int64 `field:"months.m12" type:"change" dbf:"M12" uk:"грудень, гривні" en:"December, hryvnias"`
}

func (m *Months) all() [12]int64 {
	return [12]int64{m.M01, m.M02, m.M03, m.M04, m.M05, m.M06, m.M07, m.M08, m.M09, m.M10, m.M11, m.M12}
}

// Sum is that of the year.
func (m *Months) Sum() (sum int64) {
	for _, v := range m.all() {
		sum += v
	}
	return sum
}

func (m *Months) negative() bool {
	for _, v := range m.all() {
		if v < 0 {
			return true
		}
	}
	return false
}

// sums reports months that do not add up to the year's amount.
func (m *Months) sums(r kind.Report, amount int64) {
	if m.Sum() != amount {
		r("amount", formats.Text{UK: "Сума року не дорівнює сумі дванадцяти місяців. Перевірте місяці та суму року.", EN: "The amount of the year is not the sum of its twelve months. Check the months and the amount."})
	}
}

var notNegative = formats.Text{UK: "Сума плану не може бути меншою за нуль. Зменшення подають документом змін.", EN: "A planned sum cannot be less than zero. A decrease is sent as a document of changes."}

// inYear reports a document dated outside its budget year. The plan of a year may
// be made in the year before.
func inYear(r kind.Report, date, year string, before bool) {
	if len(date) < 4 || len(year) != 4 || date[:4] == year {
		return
	}
	if before && date[:4] < year {
		return
	}
	r("date", formats.Text{UK: "Дата документа поза бюджетним роком. Перевірте дату та рік.", EN: "The date of the document is outside the budget year. Check the date and the year."})
}

// ScheduleLine is one line of a schedule, of revenue or of expenditure.
type ScheduleLine struct {
	kind.Head
	Budget
	Scope string `field:"scope" type:"word" values:"year|months" need:"head,required" dbf:"SCOPE" uk:"year: річний розпис, months: помісячний" en:"year: annual schedule, months: by months"`
	Total int64  `field:"total" type:"money" need:"head,required" dbf:"TOTAL" uk:"підсумок усіх рядків, гривні" en:"total of all lines, hryvnias"`

	KKDB   string `field:"kkdb" type:"kkdb" dbf:"KKDB" uk:"ККДБ, 8 цифр (рядок доходів)" en:"code of revenue (KKDB), 8 digits (a line of revenue)"`
	KPKVK  string `field:"kpkvk" type:"kpkvk" dbf:"KPKVK" uk:"КПКВК, 7 цифр (рядок видатків)" en:"code of the programme (KPKVK), 7 digits (a line of expenditure)"`
	KEKV   string `field:"kekv" type:"kekv" dbf:"KEKV" uk:"КЕКВ, 4 цифри (рядок видатків)" en:"economic classification (KEKV), 4 digits (a line of expenditure)"`
	Amount int64  `field:"amount" type:"money" need:"required" dbf:"AMOUNT" uk:"сума на рік, гривні" en:"amount of the year, hryvnias"`
	Months
}

// classified reports a line that is neither revenue nor expenditure, or both.
func classified(r kind.Report, kkdb, kpkvk, kekv string) {
	switch {
	case kkdb == "" && (kpkvk == "" || kekv == ""):
		r("kpkvk", formats.Text{UK: "Вкажіть ККДБ (дохід) або КПКВК і КЕКВ (видаток).", EN: "Give a KKDB (revenue), or KPKVK and KEKV (expenditure)."})
	case kkdb != "" && (kpkvk != "" || kekv != ""):
		r("kkdb", formats.Text{UK: "Рядок має і дохід (ККДБ), і видаток (КПКВК, КЕКВ). Поділіть його на два.", EN: "The line is both revenue (KKDB) and expenditure (KPKVK, KEKV). Make two of it."})
	}
}

// Schedule is the annual or monthly schedule of a budget.
var Schedule = kind.Of(kind.Definition[ScheduleLine]{
	ID: formats.Schedule, Prefix: "SC", Root: "Schedule", Line: "Line",
	Title: formats.Text{UK: "річний або помісячний розпис", EN: "annual or monthly schedule"},
	Basis: cite938,
	Rules: []formats.Rule[*ScheduleLine]{
		{
			ID: "SC-001", Title: "a line is revenue or expenditure", Citation: cite11 + "; " + citeBrama,
			Check: func(_ *formats.Context, l *ScheduleLine, r kind.Report) { classified(r, l.KKDB, l.KPKVK, l.KEKV) },
		},
		{
			ID: "SC-002", Title: "the months add up to the year", Citation: citeBrama + "; form of the monthly schedule",
			Check: func(_ *formats.Context, l *ScheduleLine, r kind.Report) {
				if l.Scope == "months" || l.Months != (Months{}) {
					l.sums(r, l.Amount)
				}
			},
		},
		{
			ID: "SC-003", Title: "no sum is less than zero", Citation: citeBrama,
			Check: func(_ *formats.Context, l *ScheduleLine, r kind.Report) {
				if l.negative() {
					r("months.m01", notNegative)
				}
			},
		},
		{
			ID: "SC-004", Title: "an annual schedule has no months", Citation: citeBrama,
			Check: func(_ *formats.Context, l *ScheduleLine, r kind.Report) {
				if l.Scope == "year" && l.Months != (Months{}) {
					r("scope", formats.Text{UK: "Річний розпис не має сум за місяцями. Вкажіть scope=months або вилучіть місяці.", EN: "An annual schedule has no sums of months. Write scope=months, or remove the months."})
				}
			},
		},
		{
			ID: "SC-005", Title: "the schedule is made in its year or before", Citation: cite938, Severity: formats.Warning,
			Check: func(_ *formats.Context, l *ScheduleLine, r kind.Report) { inYear(r, l.Date, l.Year, true) },
		},
	},
	File: []kind.FileRule[ScheduleLine]{
		kind.Unique("SC-010", "a classification stands once", citeBrama, "kpkvk", func(l *ScheduleLine) string { return l.KKDB + "/" + l.KPKVK + "/" + l.KEKV }),
	},
})

// ScheduleChangeLine is one line of a change of a schedule. Sums have signs.
type ScheduleChangeLine struct {
	kind.Head
	Budget
	Schedule string `field:"schedule" type:"text" max:"35" need:"head,required" dbf:"SCHEDULE" uk:"номер розпису, який змінюють" en:"number of the schedule that is changed"`
	Total    int64  `field:"total" type:"change" need:"head,required" dbf:"TOTAL" uk:"підсумок змін, гривні зі знаком" en:"total of the changes, hryvnias with a sign"`

	KKDB   string `field:"kkdb" type:"kkdb" dbf:"KKDB" uk:"ККДБ, 8 цифр (рядок доходів)" en:"code of revenue (KKDB), 8 digits (a line of revenue)"`
	KPKVK  string `field:"kpkvk" type:"kpkvk" dbf:"KPKVK" uk:"КПКВК, 7 цифр (рядок видатків)" en:"code of the programme (KPKVK), 7 digits (a line of expenditure)"`
	KEKV   string `field:"kekv" type:"kekv" dbf:"KEKV" uk:"КЕКВ, 4 цифри (рядок видатків)" en:"economic classification (KEKV), 4 digits (a line of expenditure)"`
	Amount int64  `field:"amount" type:"change" need:"required" dbf:"AMOUNT" uk:"зміна на рік, гривні зі знаком" en:"change of the year, hryvnias with a sign"`
	Months
}

// ScheduleChange is a change of a schedule.
var ScheduleChange = kind.Of(kind.Definition[ScheduleChangeLine]{
	ID: formats.ScheduleChange, Prefix: "SH", Root: "ScheduleChange", Line: "Line",
	Title: formats.Text{UK: "зміни до розпису", EN: "change of a schedule"},
	Basis: cite938,
	Rules: []formats.Rule[*ScheduleChangeLine]{
		{
			ID: "SH-001", Title: "a line is revenue or expenditure", Citation: cite11 + "; " + citeBrama,
			Check: func(_ *formats.Context, l *ScheduleChangeLine, r kind.Report) {
				classified(r, l.KKDB, l.KPKVK, l.KEKV)
			},
		},
		{
			ID: "SH-002", Title: "the months add up to the year", Citation: citeBrama + "; form of the certificate of changes",
			Check: func(_ *formats.Context, l *ScheduleChangeLine, r kind.Report) { l.sums(r, l.Amount) },
		},
		{
			ID: "SH-003", Title: "a line changes something", Citation: citeBrama,
			Check: func(_ *formats.Context, l *ScheduleChangeLine, r kind.Report) {
				if l.Amount == 0 && l.Months == (Months{}) {
					r("amount", formats.Text{UK: "Рядок нічого не змінює. Вилучіть його або вкажіть зміни.", EN: "The line changes nothing. Remove it, or give the changes."})
				}
			},
		},
		{
			ID: "SH-004", Title: "a change is made within the budget year", Citation: cite938, Severity: formats.Warning,
			Check: func(_ *formats.Context, l *ScheduleChangeLine, r kind.Report) { inYear(r, l.Date, l.Year, false) },
		},
	},
	File: []kind.FileRule[ScheduleChangeLine]{
		kind.Unique("SH-010", "a classification stands once", citeBrama, "kpkvk", func(l *ScheduleChangeLine) string { return l.KKDB + "/" + l.KPKVK + "/" + l.KEKV }),
		{
			ID: "SH-011", Title: "changes of revenue and of expenditure balance", Citation: cite938, Severity: formats.Warning,
			Start: func(*formats.Context) (func(*ScheduleChangeLine, kind.Report), func(kind.Report)) {
				var revenue, expenditure int64
				return func(l *ScheduleChangeLine, _ kind.Report) {
						if l.KKDB != "" {
							revenue += l.Amount
						} else {
							expenditure += l.Amount
						}
					}, func(r kind.Report) {
						if revenue != expenditure {
							r("amount", formats.Text{UK: "Зміни доходів і видатків не збалансовано. Переконайтеся, що так і має бути.", EN: "The changes of revenue and of expenditure do not balance. See whether that is meant."})
						}
					}
			},
		},
	},
})

// EstimateLine is one line of an estimate.
type EstimateLine struct {
	kind.Head
	Year   string `field:"year" type:"digits" max:"4" need:"head,required" dbf:"YEAR" uk:"бюджетний рік" en:"budget year"`
	Budget string `field:"budget" type:"digits" max:"10" need:"head,required" dbf:"BUDGET" uk:"код бюджету, 10 цифр" en:"code of the budget, 10 digits"`
	KPKVK  string `field:"kpkvk" type:"kpkvk" need:"head,required" dbf:"KPKVK" uk:"КПКВК, 7 цифр" en:"code of the programme (KPKVK), 7 digits"`

	Section string `field:"section" type:"word" values:"income|expense" need:"required" dbf:"SECTION" uk:"income: надходження, expense: видатки" en:"income or expense"`
	Code    string `field:"code" type:"digits" max:"8" need:"required" dbf:"CODE" uk:"КЕКВ (4 цифри) або код доходів (8 цифр)" en:"KEKV (4 digits) or code of revenue (8 digits)"`
	Line    string `field:"line_name" type:"text" max:"140" dbf:"LINE_NAME" uk:"назва рядка" en:"name of the line"`
	General int64  `field:"general" type:"change" need:"required" dbf:"GENERAL" uk:"загальний фонд, гривні" en:"general fund, hryvnias"`
	Special int64  `field:"special" type:"change" need:"required" dbf:"SPECIAL" uk:"спеціальний фонд, гривні" en:"special fund, hryvnias"`
	Both    int64  `field:"both" type:"change" need:"required" dbf:"BOTH" uk:"разом, гривні" en:"both funds, hryvnias"`
}

// parentOf is the code above one of a classification, or "": 2110 is one of 2100,
// which is one of 2000.
func parentOf(code string) string {
	trimmed := strings.TrimRight(code, "0")
	if len(trimmed) <= 1 {
		return ""
	}
	return trimmed[:len(trimmed)-1] + strings.Repeat("0", len(code)-len(trimmed)+1)
}

func funds(r kind.Report, general, special, both int64) {
	if general+special != both {
		r("both", formats.Text{UK: "Разом не дорівнює сумі загального і спеціального фондів.", EN: "Both funds are not the sum of the general and the special fund."})
	}
}

func estimateCode(r kind.Report, section, code string) {
	if code != "" && (section == "expense" && len(code) != 4 || section == "income" && len(code) != 8) {
		r("code", formats.Text{UK: "Для видатків потрібен КЕКВ із 4 цифр, для надходжень код доходів із 8 цифр.", EN: "Expense needs a KEKV of 4 digits, income a code of revenue of 8 digits."})
	}
}

// tree holds sums of codes to the sums of the codes below them.
type tree map[string]*node

type node struct {
	own, below [2]int64
	given      bool
	children   bool
}

func (t tree) add(code string, general, special int64) {
	at := func(c string) *node {
		if t[c] == nil {
			t[c] = &node{}
		}
		return t[c]
	}
	n := at(code)
	n.own, n.given = [2]int64{general, special}, true
}

// wrong is the first code, in order, that is not the sum of those below it; a
// code whose parent is not given hangs below the nearest one that is.
func (t tree) wrong(codes []string) string {
	for _, code := range codes {
		for p := parentOf(code); p != ""; p = parentOf(p) {
			if n := t[p]; n != nil && n.given && p != code {
				n.below[0] += t[code].own[0]
				n.below[1] += t[code].own[1]
				n.children = true
				break
			}
		}
	}
	for _, code := range codes {
		if n := t[code]; n.children && n.own != n.below {
			return code
		}
	}
	return ""
}

// top are the sums of the codes that hang below no other.
func (t tree) top(codes []string) (sum [2]int64) {
next:
	for _, code := range codes {
		for p := parentOf(code); p != ""; p = parentOf(p) {
			if n := t[p]; n != nil && n.given && p != code {
				continue next
			}
		}
		sum[0] += t[code].own[0]
		sum[1] += t[code].own[1]
	}
	return sum
}

// Estimate is the estimate of a body's income and expense.
var Estimate = kind.Of(kind.Definition[EstimateLine]{
	ID: formats.Estimate, Prefix: "ES", Root: "Estimate", Line: "Line",
	Title: formats.Text{UK: "кошторис", EN: "estimate"},
	Basis: cite57,
	Rules: []formats.Rule[*EstimateLine]{
		{
			ID: "ES-001", Title: "both funds are the sum of the two", Citation: cite57 + "; arithmetic of the form",
			Check: func(_ *formats.Context, l *EstimateLine, r kind.Report) { funds(r, l.General, l.Special, l.Both) },
		},
		{
			ID: "ES-002", Title: "expense has a KEKV, income a code of revenue", Citation: cite11,
			Check: func(_ *formats.Context, l *EstimateLine, r kind.Report) { estimateCode(r, l.Section, l.Code) },
		},
		{
			ID: "ES-003", Title: "no sum is less than zero", Citation: citeBrama,
			Check: func(_ *formats.Context, l *EstimateLine, r kind.Report) {
				if l.General < 0 || l.Special < 0 {
					r("general", notNegative)
				}
			},
		},
		{
			ID: "ES-004", Title: "the estimate is made in its year or before", Citation: cite57, Severity: formats.Warning,
			Check: func(_ *formats.Context, l *EstimateLine, r kind.Report) { inYear(r, l.Date, l.Year, true) },
		},
	},
	File: []kind.FileRule[EstimateLine]{
		kind.Unique("ES-010", "a code stands once in a section", citeBrama, "code", func(l *EstimateLine) string { return l.Section + "/" + l.Code }),
		{
			ID: "ES-011", Title: "a code is the sum of the codes below it (2000 = 2100 + 2200 ...)", Citation: cite11,
			Start: func(*formats.Context) (func(*EstimateLine, kind.Report), func(kind.Report)) {
				t, codes := tree{}, []string(nil)
				return func(l *EstimateLine, _ kind.Report) {
						if l.Section == "expense" && len(l.Code) == 4 && t[l.Code] == nil {
							t.add(l.Code, l.General, l.Special)
							codes = append(codes, l.Code)
						}
					}, func(r kind.Report) {
						if code := t.wrong(codes); code != "" {
							r("code", formats.Textf("КЕКВ %s не дорівнює сумі деталізованих кодів під ним.", "KEKV %s is not the sum of the codes below it.", code))
						}
					}
			},
		},
		{
			ID: "ES-012", Title: "income and expense are equal", Citation: cite57 + "; arithmetic of the form (НАДХОДЖЕННЯ, ВИДАТКИ)",
			Start: func(*formats.Context) (func(*EstimateLine, kind.Report), func(kind.Report)) {
				t, codes := tree{}, []string(nil)
				var income [2]int64
				return func(l *EstimateLine, _ kind.Report) {
						switch {
						case l.Section == "income":
							income[0] += l.General
							income[1] += l.Special
						case t[l.Code] == nil:
							t.add(l.Code, l.General, l.Special)
							codes = append(codes, l.Code)
						}
					}, func(r kind.Report) {
						if income != t.top(codes) {
							r("both", formats.Text{UK: "Надходження не дорівнюють видаткам.", EN: "Income and expense are not equal."})
						}
					}
			},
		},
	},
})

// AllotmentLine is one line of a plan of allotments.
type AllotmentLine struct {
	kind.Head
	Budget
	KPKVK string `field:"kpkvk" type:"kpkvk" need:"head,required" dbf:"KPKVK" uk:"КПКВК, 7 цифр" en:"code of the programme (KPKVK), 7 digits"`
	Total int64  `field:"total" type:"money" need:"head,required" dbf:"TOTAL" uk:"підсумок року, гривні" en:"total of the year, hryvnias"`

	KEKV   string `field:"kekv" type:"kekv" need:"required" dbf:"KEKV" uk:"КЕКВ, 4 цифри" en:"economic classification (KEKV), 4 digits"`
	Amount int64  `field:"amount" type:"money" need:"required" dbf:"AMOUNT" uk:"сума на рік, гривні" en:"amount of the year, hryvnias"`
	Months
}

// Allotments is the plan of allotments of a body by months.
var Allotments = kind.Of(kind.Definition[AllotmentLine]{
	ID: formats.AllotmentPlan, Prefix: "AP", Root: "AllotmentPlan", Line: "Line",
	Title: formats.Text{UK: "план асигнувань", EN: "plan of allotments"},
	Basis: cite57,
	Rules: []formats.Rule[*AllotmentLine]{
		{
			ID: "AP-001", Title: "the months add up to the year", Citation: cite57 + "; arithmetic of the form",
			Check: func(_ *formats.Context, l *AllotmentLine, r kind.Report) { l.sums(r, l.Amount) },
		},
		{
			ID: "AP-002", Title: "no sum is less than zero", Citation: citeBrama,
			Check: func(_ *formats.Context, l *AllotmentLine, r kind.Report) {
				if l.negative() {
					r("months.m01", notNegative)
				}
			},
		},
		{
			ID: "AP-003", Title: "the plan is made in its year or before", Citation: cite57, Severity: formats.Warning,
			Check: func(_ *formats.Context, l *AllotmentLine, r kind.Report) { inYear(r, l.Date, l.Year, true) },
		},
	},
	File: []kind.FileRule[AllotmentLine]{
		kind.Unique("AP-010", "a KEKV stands once", citeBrama, "kekv", func(l *AllotmentLine) string { return l.KEKV }),
	},
})

// EstimateChangeLine is one line of a certificate of changes to an estimate and
// a plan of allotments. Sums have signs.
type EstimateChangeLine struct {
	kind.Head
	Year   string `field:"year" type:"digits" max:"4" need:"head,required" dbf:"YEAR" uk:"бюджетний рік" en:"budget year"`
	Budget string `field:"budget" type:"digits" max:"10" need:"head,required" dbf:"BUDGET" uk:"код бюджету, 10 цифр" en:"code of the budget, 10 digits"`
	KPKVK  string `field:"kpkvk" type:"kpkvk" need:"head,required" dbf:"KPKVK" uk:"КПКВК, 7 цифр" en:"code of the programme (KPKVK), 7 digits"`
	Basis  string `field:"basis" type:"text" max:"254" need:"head,required" dbf:"BASIS" uk:"підстава змін" en:"basis of the changes"`

	Section string `field:"section" type:"word" values:"income|expense" need:"required" dbf:"SECTION" uk:"income: надходження, expense: видатки" en:"income or expense"`
	Code    string `field:"code" type:"digits" max:"8" need:"required" dbf:"CODE" uk:"КЕКВ (4 цифри) або код доходів (8 цифр)" en:"KEKV (4 digits) or code of revenue (8 digits)"`
	General int64  `field:"general" type:"change" need:"required" dbf:"GENERAL" uk:"зміна загального фонду, гривні зі знаком" en:"change of the general fund, hryvnias with a sign"`
	Special int64  `field:"special" type:"change" need:"required" dbf:"SPECIAL" uk:"зміна спеціального фонду, гривні зі знаком" en:"change of the special fund, hryvnias with a sign"`
	Both    int64  `field:"both" type:"change" need:"required" dbf:"BOTH" uk:"разом, гривні зі знаком" en:"both funds, hryvnias with a sign"`
	Months
}

// EstimateChange is a certificate of changes.
var EstimateChange = kind.Of(kind.Definition[EstimateChangeLine]{
	ID: formats.EstimateChange, Prefix: "EC", Root: "EstimateChange", Line: "Line",
	Title: formats.Text{UK: "довідка про зміни до кошторису і плану асигнувань", EN: "certificate of changes to an estimate and a plan of allotments"},
	Basis: cite57,
	Rules: []formats.Rule[*EstimateChangeLine]{
		{
			ID: "EC-001", Title: "both funds are the sum of the two", Citation: cite57 + "; arithmetic of the form",
			Check: func(_ *formats.Context, l *EstimateChangeLine, r kind.Report) {
				funds(r, l.General, l.Special, l.Both)
			},
		},
		{
			ID: "EC-002", Title: "expense has a KEKV, income a code of revenue", Citation: cite11,
			Check: func(_ *formats.Context, l *EstimateChangeLine, r kind.Report) { estimateCode(r, l.Section, l.Code) },
		},
		{
			ID: "EC-003", Title: "the months, where given, add up to the change of the general fund", Citation: cite57 + "; arithmetic of the forms: the plan of allotments is the general fund by months",
			Check: func(_ *formats.Context, l *EstimateChangeLine, r kind.Report) {
				if l.Months != (Months{}) && l.Sum() != l.General {
					r("general", formats.Text{UK: "Зміни за місяцями не дорівнюють зміні загального фонду.", EN: "The changes of the months are not the change of the general fund."})
				}
			},
		},
		{
			ID: "EC-004", Title: "a line changes something", Citation: citeBrama,
			Check: func(_ *formats.Context, l *EstimateChangeLine, r kind.Report) {
				if l.General == 0 && l.Special == 0 && l.Months == (Months{}) {
					r("general", formats.Text{UK: "Рядок нічого не змінює. Вилучіть його або вкажіть зміни.", EN: "The line changes nothing. Remove it, or give the changes."})
				}
			},
		},
		{
			ID: "EC-005", Title: "a change is made within the budget year", Citation: cite57, Severity: formats.Warning,
			Check: func(_ *formats.Context, l *EstimateChangeLine, r kind.Report) { inYear(r, l.Date, l.Year, false) },
		},
	},
	File: []kind.FileRule[EstimateChangeLine]{
		kind.Unique("EC-010", "a code stands once in a section", citeBrama, "code", func(l *EstimateChangeLine) string { return l.Section + "/" + l.Code }),
	},
})

// DistributionLine is the share of one lower body in open allocations.
type DistributionLine struct {
	kind.Head
	Budget string `field:"budget" type:"digits" max:"10" need:"head,required" dbf:"BUDGET" uk:"код бюджету, 10 цифр" en:"code of the budget, 10 digits"`
	Fund   string `field:"fund" type:"word" values:"general|special" need:"head,required" dbf:"FUND" uk:"фонд: general (загальний) або special (спеціальний)" en:"fund: general or special"`
	KPKVK  string `field:"kpkvk" type:"kpkvk" need:"head,required" dbf:"KPKVK" uk:"КПКВК, 7 цифр" en:"code of the programme (KPKVK), 7 digits"`
	Open   int64  `field:"open" type:"money" need:"head,required" dbf:"OPEN" uk:"відкриті асигнування, гривні" en:"open allocations, hryvnias"`
	Total  int64  `field:"total" type:"money" need:"head,required" dbf:"TOTAL" uk:"розподілено разом, гривні" en:"distributed in all, hryvnias"`

	Receiver     string `field:"receiver.code" type:"edrpou" need:"required" dbf:"RCV_CODE" uk:"код ЄДРПОУ отримувача" en:"EDRPOU of the receiver"`
	ReceiverName string `field:"receiver.name" type:"text" max:"140" need:"required" dbf:"RCV_NAME" uk:"найменування отримувача" en:"name of the receiver"`
	IBAN         string `field:"receiver.iban" type:"iban" need:"required" dbf:"RCV_IBAN" uk:"рахунок отримувача (IBAN)" en:"account of the receiver (IBAN)"`
	KEKV         string `field:"kekv" type:"kekv" need:"required" dbf:"KEKV" uk:"КЕКВ або його група, 4 цифри" en:"economic classification (KEKV) or its group, 4 digits"`
	Amount       int64  `field:"amount" type:"money" need:"required" dbf:"AMOUNT" uk:"сума, гривні" en:"amount, hryvnias"`
}

// Distribution is a distribution of open allocations among lower bodies.
var Distribution = kind.Of(kind.Definition[DistributionLine]{
	ID: formats.AllocationDistribution, Prefix: "AD", Root: "AllocationDistribution", Line: "Line",
	Title: formats.Text{UK: "розподіл відкритих асигнувань", EN: "distribution of open allocations"},
	Basis: cite1407,
	Rules: []formats.Rule[*DistributionLine]{
		{
			ID: "AD-001", Title: "the amount is greater than zero", Citation: citeBrama,
			Check: func(_ *formats.Context, l *DistributionLine, r kind.Report) { kind.Positive(r, "amount", l.Amount) },
		},
		{
			ID: "AD-002", Title: "no more is distributed than is open", Citation: citeBrama + "; " + cite1407,
			Check: func(_ *formats.Context, l *DistributionLine, r kind.Report) {
				if l.Total > l.Open {
					r("total", formats.Text{UK: "Розподілено більше, ніж відкрито асигнувань.", EN: "More is distributed than is open."})
				}
			},
		},
		{
			ID: "AD-003", Title: "accounts are kept by the treasury (820172)", Citation: cite1407, Severity: formats.Warning,
			Check: func(_ *formats.Context, l *DistributionLine, r kind.Report) {
				if len(l.IBAN) == 29 && l.IBAN[4:10] != "820172" {
					r("receiver.iban", formats.Text{UK: "Рахунок відкрито не в Казначействі (820172). Перевірте його.", EN: "The account is not kept by the treasury (820172). Check it."})
				}
			},
		},
	},
	File: []kind.FileRule[DistributionLine]{
		kind.Unique("AD-010", "a receiver's account and code stand once", citeBrama, "receiver.code", func(l *DistributionLine) string { return l.Receiver + "/" + l.IBAN + "/" + l.KEKV }),
	},
})
