package formats

import "slices"

// Titles are what people call the kinds.
var Titles = map[Kind]Text{
	PaymentInstruction:          {UK: "платіжна інструкція", EN: "payment instruction"},
	SupportingDocument:          {UK: "підтвердний документ", EN: "supporting document"},
	Statement:                   {UK: "виписка", EN: "statement"},
	CommitmentRegister:          {UK: "реєстр бюджетних зобов'язань", EN: "register of budget commitments"},
	FinancialCommitmentRegister: {UK: "реєстр бюджетних фінансових зобов'язань", EN: "register of budget financial commitments"},
	Schedule:                    {UK: "розпис", EN: "schedule"},
	ScheduleChange:              {UK: "зміни до розпису", EN: "change of a schedule"},
	Estimate:                    {UK: "кошторис", EN: "estimate"},
	EstimateChange:              {UK: "зміни до кошторису", EN: "change of an estimate"},
	AllotmentPlan:               {UK: "план асигнувань", EN: "plan of allotments"},
	AllocationDistribution:      {UK: "розподіл відкритих асигнувань", EN: "distribution of open allocations"},
	Memorial:                    {UK: "меморіальний документ", EN: "memorial document"},
	Network:                     {UK: "мережа розпорядників", EN: "network of spenders"},
	SpenderRegister:             {UK: "реєстр розпорядників", EN: "register of spenders"},
	Contract:                    {UK: "договори", EN: "contracts"},
	Act:                         {UK: "акти", EN: "acts"},
	TaxReport:                   {UK: "електронний звіт", EN: "electronic report"},
	Letter:                      {UK: "лист", EN: "letter"},
}

// Inbound are the kinds that a client may send, in the order of the guide.
var Inbound = []Kind{
	PaymentInstruction, SupportingDocument, CommitmentRegister, FinancialCommitmentRegister, Schedule, ScheduleChange, Estimate, EstimateChange,
	AllotmentPlan, AllocationDistribution, Memorial, Network, SpenderRegister, Contract, Act, TaxReport, Letter,
}

// Binding says whether a document of the kind binds its sender to pay or plans a
// budget: the head and the chief accountant sign it, unless a client's entry says
// otherwise. The first signature is the head's, the second the chief accountant's
// (order 1407 of 22.12.2012 of the Ministry of Finance, cards of specimen
// signatures; clause not verified).
func (k Kind) Binding() bool {
	switch k {
	case SupportingDocument, Contract, Act, Letter:
		return false
	}
	return slices.Contains(Inbound, k)
}
