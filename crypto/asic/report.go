package asic

import (
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
)

// Report is the verdict over a container.
type Report struct {
	// Report is the verdict of the whole and of the signatures of all signature files,
	// in the archive's order. Content is the one data file, where there is one and no
	// more; Attached is true.
	cades.Report
	// Container is what was opened; nil if it could not be.
	Container *Container
	// Cover tells of each of the Signatures what it is over.
	Cover []Cover
	// Stamps are the time-stamp tokens over manifests and data. One that does not hold
	// proves nothing, and changes nothing.
	Stamps []Stamp
	// XAdES tells that the container is refused for signatures in XAdES, Archive for an
	// archive in it.
	XAdES, Archive bool
}

// Cover is what one signature is over.
type Cover struct {
	// File is the signature file, Manifest the manifest it signs; empty in ASiC-S.
	File, Manifest string
	// Data are the names of the data files whose digests the signature vouches for,
	// and which are what it says; Missing those that are not in the container, Altered
	// those that are others, Uncovered the data files it says nothing of.
	Data, Missing, Altered, Uncovered []string
}

// ManifestTimeStamp is a time-stamp token over a manifest or, in ASiC-S, over the
// data file: EN 319 162-1, 4.3.3.2, 4.4.4, A.7.
const ManifestTimeStamp cades.Kind = "container-time-stamp"

// Stamp is the verdict over a time-stamp token of the container.
type Stamp struct {
	cades.TimeStamp
	// File is the token, Manifest what it is over; empty if it is over the data file.
	File, Manifest string
	// Files are the files that it proves to have existed at its time. None if it does
	// not hold.
	Files []string
	// latest is the time by which it proves them to have existed.
	latest time.Time
}
