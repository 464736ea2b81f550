package spool

import "context"

type urgentKey struct{}

// Urgent marks work that goes on while free space is below the floor: answers and
// statements, which let others make room. An engine refuses it only when the disk
// itself does.
func Urgent(ctx context.Context) context.Context {
	return context.WithValue(ctx, urgentKey{}, true)
}

// IsUrgent tells engines whether ctx was marked by Urgent.
func IsUrgent(ctx context.Context) bool {
	urgent, _ := ctx.Value(urgentKey{}).(bool)
	return urgent
}
