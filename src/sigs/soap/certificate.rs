//! X.509 certificates as users register them.
use crate::crypto::sha256_hex;
use crate::refusal::{Reason, Refusal};
use base64::{Engine, engine::general_purpose::STANDARD};
use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Sign, RsaPublicKey};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use x509_cert::der::{Decode, Encode};

/// The fewest bits of a key: those of the certificates that AWS itself gave out.
const FEWEST_BITS: usize = 1024;
/// The longest text of a certificate.
const LONGEST: usize = 16 * 1024;
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Why a text is no certificate that can be registered. May be shown to the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// A private key came along.
    #[error("holds a private key, which must stay with its owner: send the certificate alone, and make a new key")]
    PrivateKey,
    /// It cannot be read.
    #[error("not one X.509 certificate in PEM form")]
    Unreadable,
    /// Its key cannot be used here.
    #[error("its key must be RSA with 1024 to 4096 bits")]
    Key,
}

/// What is known of a certificate.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// Its bytes.
    pub der: Vec<u8>,
    /// SHA-256 of the bytes, in lower-case hexadecimal.
    pub fingerprint: String,
    /// Whom it names.
    pub subject: String,
    /// Who issued it.
    pub issuer: String,
    /// Its number, in hexadecimal.
    pub serial: String,
    /// From when it is good, in microseconds since the epoch.
    pub not_before: i64,
    /// Until when.
    pub not_after: i64,
    key: RsaPublicKey,
}

/// How a message was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
}

impl Hash {
    pub(crate) fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(data).to_vec(),
            Self::Sha256 => Sha256::digest(data).to_vec(),
        }
    }
}

impl Certificate {
    /// Reads PEM, or the base64 that PEM has between its lines.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub fn from_pem(text: &str) -> Result<Self, CertificateError> {
        if text.contains("PRIVATE KEY") {
            return Err(CertificateError::PrivateKey);
        }
        if text.len() > LONGEST {
            return Err(CertificateError::Unreadable);
        }
        let inner = match text.split_once(BEGIN) {
            Some((_, rest)) => rest.split_once(END).filter(|(_, after)| !after.contains("-----")).ok_or(CertificateError::Unreadable)?.0,
            None => text,
        };
        let dense: String = inner.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        Self::from_der(STANDARD.decode(dense).map_err(|_| CertificateError::Unreadable)?)
    }

    /// Reads the bytes of a certificate.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub fn from_der(der: Vec<u8>) -> Result<Self, CertificateError> {
        let read = x509_cert::Certificate::from_der(&der).map_err(|_| CertificateError::Unreadable)?;
        let inner = &read.tbs_certificate;
        let key = inner.subject_public_key_info.to_der().map_err(|_| CertificateError::Unreadable)?;
        let key = RsaPublicKey::from_public_key_der(&key).map_err(|_| CertificateError::Key)?;
        if key.n().bits() < FEWEST_BITS {
            return Err(CertificateError::Key);
        }
        let micros = |t: x509_cert::time::Time| i64::try_from(t.to_unix_duration().as_micros()).unwrap_or(i64::MAX);
        Ok(Self {
            fingerprint: sha256_hex(&der),
            subject: inner.subject.to_string(),
            issuer: inner.issuer.to_string(),
            serial: crate::text::to_hex(inner.serial_number.as_bytes()),
            not_before: micros(inner.validity.not_before),
            not_after: micros(inner.validity.not_after),
            key,
            der,
        })
    }

    /// The certificate in PEM form.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let text = STANDARD.encode(&self.der);
        let mut pem = format!("{BEGIN}\n");
        for line in text.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem + END + "\n"
    }

    /// Whether it is good at a time (microseconds since the epoch).
    #[must_use]
    pub const fn is_valid_at(&self, now: i64) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// Checks a signature over data.
    pub(crate) fn verify(&self, hash: Hash, data: &[u8], signature: &[u8]) -> Result<(), Refusal> {
        let scheme = match hash {
            Hash::Sha1 => Pkcs1v15Sign::new::<Sha1>(),
            Hash::Sha256 => Pkcs1v15Sign::new::<Sha256>(),
        };
        let wrong = |_| Refusal::new(Reason::Mismatch, "The signature is not that of the certificate's key");
        self.key.verify(scheme, &hash.digest(data), signature).map_err(wrong)
    }
}
