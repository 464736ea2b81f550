package formats

// The kinds that the treasury sends, besides [Statement]. None of them may come
// from a client.
const (
	AccountState        Kind = "account_state"        // стан рахунку протягом дня
	AccountNotification Kind = "account_notification" // повідомлення про зарахування і списання
	Notice              Kind = "notice"               // повідомлення
	AllocationExtract   Kind = "allocation_extract"   // виписка з розподілу відкритих асигнувань
	PlanChange          Kind = "plan_change"          // довідка про внесення змін до розпису (плану)
	RegisterExtract     Kind = "register_extract"     // витяг з реєстру
)

// PaymentStatus is the answer to a payment message (pain.002). The gateway makes it
// beside its receipt; nobody hands it over, so that it is none of OutgoingKinds.
const PaymentStatus Kind = "payment_status"

// Outgoing says whether the processor hands over documents of this kind to be sent.
func (k Kind) Outgoing() bool {
	switch k {
	case Statement, AccountState, AccountNotification, Notice, AllocationExtract, PlanChange, RegisterExtract:
		return true
	}
	return false
}

// OutgoingKinds are the kinds that the treasury sends.
func OutgoingKinds() []Kind {
	return []Kind{Statement, AccountState, AccountNotification, Notice, AllocationExtract, PlanChange, RegisterExtract}
}

// Title is what people call a kind that the treasury sends.
func (k Kind) Title() Text { return outTitles[k] }

var outTitles = map[Kind]Text{
	Statement:           {UK: "виписка", EN: "statement"},
	AccountState:        {UK: "стан рахунку", EN: "account state"},
	AccountNotification: {UK: "повідомлення про рух коштів", EN: "debit and credit notification"},
	Notice:              {UK: "повідомлення", EN: "notice"},
	AllocationExtract:   {UK: "виписка з розподілу відкритих асигнувань", EN: "extract of an allocation distribution"},
	PlanChange:          {UK: "довідка про внесення змін до плану", EN: "plan change"},
	PaymentStatus:       {UK: "звіт про стан платежів", EN: "payment status report"},
	RegisterExtract:     {UK: "витяг з реєстру", EN: "register extract"},
}
