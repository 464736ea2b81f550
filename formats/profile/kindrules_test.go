package profile

import (
	"slices"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/kind"
	"github.com/brama-gateway/brama/formats/sample"
)

// books answers what was accepted before.
type books struct {
	documents []string
	open      map[string]int64
}

func (b books) Document(id string) bool { return slices.Contains(b.documents, id) }

func (b books) Open(account string) (int64, bool) { v, ok := b.open[account]; return v, ok }

// ruleCases break one rule each: in the records of the kind's sample, which pass,
// the fields of record (from 0; -1: all) are changed. The sample itself is the case
// that passes.
var ruleCases = []struct {
	kind   formats.Kind
	rule   string
	record int
	change []string
}{
	{formats.Memorial, "DOC-002", 0, []string{"basis", "a\u202eb"}},
	{formats.Memorial, "DOC-003", -1, []string{"date", "2026-01-16"}},
	{formats.Memorial, "DOC-004", 0, []string{"debit.code", "12345679", "credit.code", "12345679"}},
	{formats.Memorial, "DOC-005", 0, []string{"debit.iban", "UA618201720343340023000000141"}},
	{formats.Memorial, "DOC-006", -1, []string{"sender.code", "00013480"}},
	{formats.Memorial, "DOC-010", 1, []string{"number", "2"}},
	{formats.Memorial, "DOC-011", -1, []string{"total", "321.01"}},
	{formats.CommitmentRegister, "CR-001", 1, []string{"operation", "change", "amount", "0.00", "prepayment", ""}},
	{formats.CommitmentRegister, "CR-002", 0, []string{"basis.date", "2026-01-16"}},
	{formats.CommitmentRegister, "CR-003", 1, []string{"basis.until", "2026-01-14"}},
	{formats.CommitmentRegister, "CR-004", 1, []string{"prepayment", "50000.01"}},
	{formats.CommitmentRegister, "CR-005", 0, []string{"basis.date", "2026-01-05"}},
	{formats.CommitmentRegister, "CR-006", 0, []string{"kekv", "1000"}},
	{formats.CommitmentRegister, "CR-010", 1, []string{"commitment", "1-1"}},
	{formats.CommitmentRegister, "REF-001", 0, []string{"documents", "none"}},
	{formats.CommitmentRegister, "REF-002", 0, []string{"operation", "change"}},
	{formats.CommitmentRegister, "REF-004", 0, []string{"commitment", "old"}},
	{formats.FinancialCommitmentRegister, "FR-001", 1, []string{"amount", "0"}},
	{formats.FinancialCommitmentRegister, "FR-002", 0, []string{"act.date", "2026-01-16"}},
	{formats.FinancialCommitmentRegister, "FR-003", 0, []string{"documents", ""}},
	{formats.FinancialCommitmentRegister, "FR-010", 1, []string{"financial_commitment", "F1-1"}},
	{formats.FinancialCommitmentRegister, "REF-003", 0, []string{"amount", "100000.01"}},
	{formats.Schedule, "SC-001", 0, []string{"kekv", "2210"}},
	{formats.Schedule, "SC-002", 0, []string{"months.m01", "100.01"}},
	{formats.Schedule, "SC-003", 0, []string{"months.m01", "-100", "months.m02", "300"}},
	{formats.Schedule, "SC-004", -1, []string{"scope", "year"}},
	{formats.Schedule, "SC-005", -1, []string{"year", "2025"}},
	{formats.Schedule, "SC-010", 0, []string{"kkdb", "", "kpkvk", "2201040", "kekv", "2273"}},
	{formats.ScheduleChange, "SH-001", 0, []string{"kekv", ""}},
	{formats.ScheduleChange, "SH-002", 0, []string{"months.m02", "-99"}},
	{formats.ScheduleChange, "SH-003", 0, []string{"amount", "0", "months.m02", "0"}},
	{formats.ScheduleChange, "SH-004", -1, []string{"year", "2027"}},
	{formats.ScheduleChange, "SH-010", 1, []string{"kekv", "2273"}},
	{formats.ScheduleChange, "SH-011", 0, []string{"amount", "-50", "months.m02", "-50"}},
	{formats.Estimate, "ES-001", 4, []string{"both", "500.01"}},
	{formats.Estimate, "ES-002", 0, []string{"code", "2501"}},
	{formats.Estimate, "ES-003", 4, []string{"special", "-1.00", "both", "499.00"}},
	{formats.Estimate, "ES-004", -1, []string{"year", "2025"}},
	{formats.Estimate, "ES-010", 5, []string{"code", "2210"}},
	{formats.Estimate, "ES-011", 5, []string{"special", "299.00", "both", "299.00"}},
	{formats.Estimate, "ES-012", 0, []string{"general", "1500.01", "both", "1800.01"}},
	{formats.EstimateChange, "EC-001", 0, []string{"both", "200.00"}},
	{formats.EstimateChange, "EC-002", 0, []string{"code", "221"}},
	{formats.EstimateChange, "EC-003", 0, []string{"months.m03", "-100.00"}},
	{formats.EstimateChange, "EC-004", 0, []string{"general", "0", "both", "0", "months.m03", "0"}},
	{formats.EstimateChange, "EC-005", -1, []string{"year", "2027"}},
	{formats.EstimateChange, "EC-010", 1, []string{"code", "2210"}},
	{formats.AllotmentPlan, "AP-001", 1, []string{"months.m01", "600.01"}},
	{formats.AllotmentPlan, "AP-002", 1, []string{"months.m01", "-1", "months.m02", "601"}},
	{formats.AllotmentPlan, "AP-003", -1, []string{"year", "2025"}},
	{formats.AllotmentPlan, "AP-010", 1, []string{"kekv", "2110"}},
	{formats.AllocationDistribution, "AD-001", 0, []string{"amount", "0"}},
	{formats.AllocationDistribution, "AD-002", -1, []string{"open", "899.99"}},
	{formats.AllocationDistribution, "AD-003", 0, []string{"receiver.iban", sample.Account("305299", 1)}},
	{formats.AllocationDistribution, "AD-010", 1, []string{"receiver.code", sample.EDRPOU(1), "receiver.iban", sample.Account("820172", 1)}},
	{formats.Memorial, "MD-001", 1, []string{"amount", "0"}},
	{formats.Memorial, "MD-002", 0, []string{"credit.iban", sample.Account("305299", 1)}},
	{formats.Memorial, "MD-003", 0, []string{"credit.kekv", "2210"}},
	{formats.Memorial, "MD-004", 0, []string{"credit.code", "00013480"}},
	{formats.Memorial, "MD-005", 0, []string{"credit.kekv", ""}},
	{formats.Network, "NW-001", 3, []string{"superior", sample.EDRPOU(3)}},
	{formats.Network, "NW-002", 1, []string{"level", "1"}},
	{formats.Network, "NW-010", 2, []string{"body.code", sample.EDRPOU(1)}},
	{formats.Network, "NW-011", 3, []string{"level", "2"}},
	{formats.Network, "NW-011", 3, []string{"superior", sample.EDRPOU(9)}},
	{formats.Network, "NW-011", 2, []string{"superior", "", "level", "1"}},
	{formats.Network, "NW-011", 1, []string{"superior", sample.EDRPOU(3), "level", "4"}}, // 1 below 3 below 1
	{formats.Network, "NW-012", -1, []string{"sender.code", "00013480"}},
	{formats.SpenderRegister, "SR-001", 1, []string{"until", "2025-12-31"}},
	{formats.SpenderRegister, "SR-002", 0, []string{"iban", sample.Account("305299", 1)}},
	{formats.SpenderRegister, "SR-003", 0, []string{"superior", ""}},
	{formats.SpenderRegister, "SR-010", 1, []string{"iban", sample.Account("820172", 1)}},
	{formats.Contract, "CT-001", 0, []string{"amount", "0"}},
	{formats.Contract, "CT-002", 0, []string{"counterparty.foreign_id", "DE 1"}},
	{formats.Contract, "CT-003", 1, []string{"procurement", ""}},
	{formats.Contract, "CT-004", 0, []string{"until", "2026-01-14"}},
	{formats.Contract, "CT-010", 1, []string{"number", "1/1"}},
	{formats.Act, "CA-001", 0, []string{"amount", "0"}},
	{formats.Act, "CA-002", 0, []string{"contract.date", "2026-01-16"}},
	{formats.Act, "CA-003", 1, []string{"unit", ""}},
	{formats.Act, "CA-010", 1, []string{"number", "1/1"}},
}

func TestKindRules(t *testing.T) {
	t.Parallel()
	at := january
	at.Owner = &formats.Owner{EDRPOU: sample.DemoPayer().EDRPOU}
	at.Prior = books{
		documents: []string{strings.Repeat("0a", 32)},
		open:      map[string]int64{kind.CommitmentAccount("1-1"): 100_000_00, kind.CommitmentAccount("1-2"): 100_000_00},
	}
	check := func(k *kind.Kind, rows []sample.Row) []formats.Finding {
		c := at
		if k.ID == formats.CommitmentRegister {
			c.Prior = books{open: map[string]int64{kind.CommitmentAccount("old"): 1, kind.PayableAccount("old"): 1}}
		}
		return Builtin().Check(c, Options{Name: "x.csv"}, section(sample.CSV(k, rows))).Findings
	}
	covered := map[string]bool{"DOC-001": true} // the reader says it first: FLD-001
	for _, k := range described() {
		if f := check(k, sample.Rows(k.ID, sample.DemoPayer(), january.At, "1")); len(f) > 0 {
			t.Errorf("%s: the sample: %+v", k.ID, f)
		}
	}
	for _, c := range ruleCases {
		k := kindOf(c.kind)
		rows := sample.Rows(c.kind, sample.DemoPayer(), january.At, "1")
		for i := range rows {
			if c.record == i || c.record < 0 {
				rows[i] = change(rows[i], c.change...)
			}
		}
		found := check(k, rows)
		i := slices.IndexFunc(found, func(f formats.Finding) bool { return f.Rule == c.rule })
		if i < 0 {
			t.Errorf("%s %s %v: %+v", c.kind, c.rule, c.change, found)
			continue
		}
		covered[c.rule] = true
		j := slices.IndexFunc(k.Rules, func(r kind.Rule) bool { return r.ID == c.rule })
		if j < 0 || found[i].Severity != k.Rules[j].Severity || found[i].Message.UK == "" || found[i].Message.EN == "" {
			t.Errorf("%s %s: %+v", c.kind, c.rule, found[i])
		}
	}
	for _, k := range described() {
		for _, r := range k.Rules {
			if !covered[r.ID] {
				t.Errorf("%s: no case breaks %s", k.ID, r.ID)
			}
			if strings.Contains(r.Citation, "not verified") && r.Severity == formats.Error && !strings.Contains(r.Citation, "Brama") && !strings.Contains(r.Citation, "arithmetic") {
				t.Errorf("%s %s refuses by a clause that was not verified", k.ID, r.ID)
			}
			if r.Title == "" || r.Citation == "" {
				t.Errorf("%s %s: no title or citation", k.ID, r.ID)
			}
		}
	}
}
