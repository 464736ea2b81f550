package gateway

// SetArchiveStep has tests let a run of Archive end between two of its steps.
func (g *Gateway) SetArchiveStep(step func(string) error) { g.archiveStep = step }
