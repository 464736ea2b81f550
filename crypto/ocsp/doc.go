// Package ocsp reads and verifies OCSP responses and writes requests (RFC 6960). It
// is pure: it sends nothing.
//
// A response is [pki.Evidence]: asked about a certificate of a path it says good,
// revoked or on hold, or, with the reason, that it does not know. It proves something
// only where
//
//   - it is about that certificate: its serial number, and its issuer by name and key,
//     hashed as the responder likes; Ukrainian ones take the issuer's key identifier as
//     it stands for the hash of the key;
//   - its signer is the issuer itself, or holds a certificate that the issuer's same key
//     signed, for id-kp-OCSPSigning, in force and not revoked (4.2.2.2), and is the one
//     the response names;
//   - it is fresh: neither from the future nor past nextUpdate, or, without one, not older
//     than a bound ([pki.Freshness]). A revocation counts however old.
//
// The encoding is strict DER. Times may have fractions of a second, and serial numbers
// may be negative: real responders and authorities write both. SHA-1 identifies issuers
// and keys here, and proves nothing; under a signature it is refused.
package ocsp
