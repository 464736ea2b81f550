// Package network holds the network of spenders (мережа) and the register of
// spenders with their accounts, canonical types and rules.
//
// A network is a tree: its root is the chief spender who sends it, every other
// body has a superior in it and is one level below.
//
// References: order 938 of the Ministry of Finance of 23.08.2012 and order 1407 of
// 22.12.2012, annexes with the network (clauses not verified).
package network

import (
	"strconv"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/kind"
)

const (
	cite938   = "orders 938 of 23.08.2012 and 1407 of 22.12.2012 of the Ministry of Finance, form of the network (clause not verified)"
	citeBrama = "Brama, formats/network"
)

// Body is one body of the network.
type Body struct {
	kind.Head
	Year   string `field:"year" type:"digits" max:"4" need:"head,required" dbf:"YEAR" uk:"бюджетний рік" en:"budget year"`
	Budget string `field:"budget" type:"digits" max:"10" need:"head,required" dbf:"BUDGET" uk:"код бюджету, 10 цифр" en:"code of the budget, 10 digits"`

	Code      string `field:"body.code" type:"edrpou" need:"required" dbf:"CODE" uk:"код ЄДРПОУ установи" en:"EDRPOU of the body"`
	Name      string `field:"body.name" type:"text" max:"254" need:"required" dbf:"NAME" uk:"найменування установи" en:"name of the body"`
	Level     string `field:"level" type:"word" values:"1|2|3|4" need:"required" dbf:"LEVEL" uk:"рівень: 1 головний розпорядник, 2, 3 нижчі, 4 одержувач" en:"level: 1 the chief spender, 2, 3 lower ones, 4 a recipient"`
	Sort      string `field:"body.kind" type:"word" values:"spender|recipient" need:"required" dbf:"KIND" uk:"spender: розпорядник, recipient: одержувач" en:"spender or recipient"`
	Superior  string `field:"superior" type:"edrpou" dbf:"SUPERIOR" uk:"код ЄДРПОУ вищої установи; порожній лише у кореня" en:"EDRPOU of the superior; empty for the root only"`
	Territory string `field:"territory" type:"text" max:"19" dbf:"TERRITORY" uk:"код КАТОТТГ" en:"code of the territory (KATOTTG)"`
	Treasury  string `field:"treasury" type:"text" max:"140" dbf:"TREASURY" uk:"орган Казначейства" en:"treasury body"`
}

// place is what is remembered of a body until the end.
type place struct {
	superior string
	level    int
}

// Network is the network of spenders.
var Network = kind.Of(kind.Definition[Body]{
	ID: formats.Network, Prefix: "NW", Root: "Network", Line: "Body",
	Title: formats.Text{UK: "мережа розпорядників", EN: "network of spenders"},
	Basis: cite938,
	Rules: []formats.Rule[*Body]{
		{
			ID: "NW-001", Title: "a body is not its own superior", Citation: citeBrama,
			Check: func(_ *formats.Context, b *Body, r kind.Report) {
				if b.Superior != "" && b.Superior == b.Code {
					r("superior", formats.Text{UK: "Установа не може бути вищою сама для себе.", EN: "A body cannot be its own superior."})
				}
			},
		},
		{
			ID: "NW-002", Title: "the root has level 1, any other a greater one", Citation: cite938 + "; " + citeBrama,
			Check: func(_ *formats.Context, b *Body, r kind.Report) {
				if b.Level != "" && (b.Superior == "") != (b.Level == "1") {
					r("level", formats.Text{UK: "Рівень 1 має лише корінь мережі, у якого немає вищої установи.", EN: "Level 1 is for the root of the network only, which has no superior."})
				}
			},
		},
	},
	File: []kind.FileRule[Body]{
		kind.Unique("NW-010", "a body stands once in a network", citeBrama, "body.code", func(b *Body) string { return b.Code }),
		{
			ID: "NW-011", Title: "the network is a tree: one root, every superior in it, no cycles, a level a step", Citation: citeBrama + "; " + cite938,
			Start: func(*formats.Context) (func(*Body, kind.Report), func(kind.Report)) {
				bodies, order := map[string]place{}, []string(nil)
				return func(b *Body, _ kind.Report) {
					if _, twice := bodies[b.Code]; !twice {
						level, _ := strconv.Atoi(b.Level)
						bodies[b.Code] = place{b.Superior, level}
						order = append(order, b.Code)
					}
				}, func(r kind.Report) { tree(bodies, order, r) }
			},
		},
		{
			ID: "NW-012", Title: "the root is the sender", Citation: citeBrama, Severity: formats.Warning,
			Start: func(*formats.Context) (func(*Body, kind.Report), func(kind.Report)) {
				return func(b *Body, r kind.Report) {
					if b.Superior == "" && b.Code != b.Head.Code {
						r("body.code", formats.Text{UK: "Корінь мережі не є розпорядником, який її надсилає.", EN: "The root of the network is not the body that sends it."})
					}
				}, nil
			},
		},
	},
})

// tree reports the first thing that keeps bodies from being a tree. Each body is
// walked over once.
func tree(bodies map[string]place, order []string, r kind.Report) {
	root := ""
	for _, code := range order {
		b := bodies[code]
		if b.superior == "" {
			if root != "" {
				r("superior", formats.Textf("Мережа має кілька коренів: %s і %s. Вкажіть вищу установу.", "The network has several roots: %s and %s. Give the superior.", root, code))
				return
			}
			root = code
			continue
		}
		above, ok := bodies[b.superior]
		if !ok {
			r("superior", formats.Textf("Вищої установи %s для %s немає в мережі.", "The superior %s of %s is not in the network.", b.superior, code))
			return
		}
		if b.level != above.level+1 && b.level != 4 {
			r("level", formats.Textf("Рівень установи %s повинен бути на одиницю більшим за рівень вищої.", "The level of %s must be one more than that of its superior.", code))
			return
		}
	}
	if root == "" && len(order) > 0 {
		r("superior", formats.Text{UK: "Мережа не має кореня: установи без вищої.", EN: "The network has no root: a body without a superior."})
		return
	}
	const walking, done = 1, 2
	state := map[string]int{}
	for _, code := range order {
		var path []string
		for c := code; c != "" && state[c] != done; c = bodies[c].superior {
			if state[c] == walking {
				r("superior", formats.Textf("Підпорядкування замкнено в коло: %s.", "The subordination goes in a circle: %s.", c))
				return
			}
			state[c] = walking
			path = append(path, c)
		}
		for _, c := range path {
			state[c] = done
		}
	}
}

// Account is one account of a body in the register of spenders.
type Account struct {
	kind.Head
	Code     string `field:"body.code" type:"edrpou" need:"required" dbf:"CODE" uk:"код ЄДРПОУ установи" en:"EDRPOU of the body"`
	Name     string `field:"body.name" type:"text" max:"254" need:"required" dbf:"NAME" uk:"найменування установи" en:"name of the body"`
	Level    string `field:"level" type:"word" values:"1|2|3|4" need:"required" dbf:"LEVEL" uk:"рівень у мережі" en:"level in the network"`
	Superior string `field:"superior" type:"edrpou" dbf:"SUPERIOR" uk:"код ЄДРПОУ вищої установи" en:"EDRPOU of the superior"`
	IBAN     string `field:"iban" type:"iban" need:"required" dbf:"IBAN" uk:"рахунок (IBAN)" en:"account (IBAN)"`
	Budget   string `field:"budget" type:"digits" max:"10" need:"required" dbf:"BUDGET" uk:"код бюджету, 10 цифр" en:"code of the budget, 10 digits"`
	From     string `field:"from" type:"date" need:"required" dbf:"FROM" uk:"діє з" en:"in force from"`
	Until    string `field:"until" type:"date" dbf:"UNTIL" uk:"діє до" en:"in force until"`
	Treasury string `field:"treasury" type:"text" max:"140" dbf:"TREASURY" uk:"орган Казначейства" en:"treasury body"`
}

// Register is the register of spenders and recipients with their accounts.
var Register = kind.Of(kind.Definition[Account]{
	ID: formats.SpenderRegister, Prefix: "SR", Root: "SpenderRegister", Line: "Account",
	Title: formats.Text{UK: "єдиний реєстр розпорядників і одержувачів", EN: "register of spenders and recipients"},
	Basis: cite938,
	Rules: []formats.Rule[*Account]{
		{
			ID: "SR-001", Title: "an account ends after it begins", Citation: citeBrama,
			Check: func(_ *formats.Context, a *Account, r kind.Report) {
				if a.Until != "" {
					kind.NotAfter(r, "until", a.From, a.Until, formats.Text{UK: "Дата закінчення раніша за дату початку.", EN: "The end is before the beginning."})
				}
			},
		},
		{
			ID: "SR-002", Title: "accounts are kept by the treasury (820172, 899998)", Citation: cite938, Severity: formats.Warning,
			Check: func(_ *formats.Context, a *Account, r kind.Report) {
				if len(a.IBAN) == 29 && a.IBAN[4:10] != "820172" && a.IBAN[4:10] != "899998" {
					r("iban", formats.Text{UK: "Рахунок відкрито не в Казначействі. Перевірте його.", EN: "The account is not kept by the treasury. Check it."})
				}
			},
		},
		{
			ID: "SR-003", Title: "only a body of level 1 has no superior", Citation: cite938 + "; " + citeBrama,
			Check: func(_ *formats.Context, a *Account, r kind.Report) {
				if a.Level != "" && (a.Superior == "") != (a.Level == "1") {
					r("superior", formats.Text{UK: "Вищої установи немає лише в головного розпорядника (рівень 1).", EN: "Only a chief spender (level 1) has no superior."})
				}
			},
		},
	},
	File: []kind.FileRule[Account]{
		kind.Unique("SR-010", "an account stands once in a register", citeBrama, "iban", func(a *Account) string { return a.IBAN + "/" + a.From }),
	},
})
