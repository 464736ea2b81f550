package main

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway/admin"
)

// followTrust reads the trust folder anew when its files change, and has what is held
// examined once more: who brings a CRL or an OCSP answer need not tell the daemon.
func (d *daemon) followTrust(ctx context.Context) error {
	every := time.NewTicker(5 * time.Second)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
		changed, err := d.Trust.Reload()
		if err != nil {
			d.log.Error("trust not read anew; what was read before stays", zap.Error(err))
			continue
		}
		if !changed {
			continue
		}
		for _, problem := range d.Trust.Problems() {
			d.log.Warn("trust file left out", zap.Error(problem))
		}
		d.log.Info("trust read anew")
		if err := d.Core.Recheck(ctx); err != nil && ctx.Err() == nil {
			d.log.Error("looking for held documents", zap.Error(err))
		}
	}
}

// endsSoon is how long before a CRL runs out the operator is warned.
const endsSoon = 6 * time.Hour

// describeTrust warns of evidence that runs out or does not come.
func (d *daemon) describeTrust(s *admin.Status) {
	if t := d.Core.StampTrouble(); t != nil {
		since, next := t.Since.UTC().Format(time.RFC3339), t.Next.UTC().Format(time.RFC3339)
		s.Warnings = append(s.Warnings, admin.Warning{Code: "TSA", Text: formats.Text{
			UK: "Позначок часу немає з " + since + ", докази прийнятого чекають на них (документи й квитанції - ні); наступна спроба " + next + ": " + t.Err.Error(),
			EN: "No time-stamps since " + since + "; evidence of what was accepted waits for them, documents and receipts do not; next try " + next + ": " + t.Err.Error(),
		}})
	}
	if d.Evidence == nil {
		return
	}
	for _, t := range d.Evidence.Troubles(endsSoon) {
		uk, en := "Дані про відкликання сертифікатів: "+t.What, "Revocation data: "+t.What
		if t.Err != nil {
			uk += ": не вдається отримати: " + t.Err.Error()
			en += ": cannot be fetched: " + t.Err.Error()
		}
		if !t.Until.IsZero() {
			until := t.Until.UTC().Format(time.RFC3339)
			uk += "; діють до " + until
			en += "; in force until " + until
		}
		s.Warnings = append(s.Warnings, admin.Warning{Code: "EVIDENCE", Text: formats.Text{UK: uk, EN: en}})
	}
}
