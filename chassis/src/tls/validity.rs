//! How long a certificate is good: the one thing in it that TLS itself does not
//! tell its operator.

use rustls::pki_types::CertificateDer;
use simple_asn1::ASN1Block;

/// The end of its validity in seconds since 1970 (RFC 5280, 4.1.2.5).
pub(super) fn not_after(certificate: &CertificateDer<'_>) -> Option<i64> {
    let blocks = simple_asn1::from_der(certificate).ok()?;
    let signed = sequence(sequence(blocks.first()?)?.first()?)?;
    // The version stands before serial number, algorithm, issuer and validity, but for a first one.
    let versioned = usize::from(matches!(signed.first()?, ASN1Block::Explicit(..)));
    match sequence(signed.get(versioned + 3)?)?.get(1)? {
        ASN1Block::UTCTime(_, end) | ASN1Block::GeneralizedTime(_, end) => {
            Some(end.assume_utc().unix_timestamp())
        }
        _ => None,
    }
}

fn sequence(block: &ASN1Block) -> Option<&[ASN1Block]> {
    match block {
        ASN1Block::Sequence(_, blocks) => Some(blocks),
        _ => None,
    }
}
