use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::Write as _;
use std::path::Path;
use stratus_model::{Error, Result};

const NONCE: usize = 12;

/// Seals secrets at rest (API secrets, host passwords) with AES-256-GCM. The key is a file of mode 0600 in the data directory, or
/// `STRATUS_MASTER_KEY` (base64 of 32 bytes) where several servers share a database.
#[derive(Clone)]
pub struct Sealer(Aes256Gcm);

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(…)")
    }
}

impl Sealer {
    /// From 32 bytes.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Aes256Gcm::new(Key::<Aes256Gcm>::from_slice(key)))
    }
    /// From base64 of 32 bytes.
    pub fn from_text(text: &str) -> Result<Self> {
        let bytes = zeroize::Zeroizing::new(STANDARD.decode(text.trim()).unwrap_or_default());
        let key: &[u8; 32] =
            bytes.as_slice().try_into().map_err(|_| Error::invalid("STRATUS_MASTER_KEY", "must be the base64 of 32 bytes"))?;
        Ok(Self::new(key))
    }
    /// From the file, which is made with a random key when it is not there.
    pub fn from_file(file: &Path) -> Result<Self> {
        match std::fs::read_to_string(file) {
            Ok(text) => Self::from_text(&text),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let text = STANDARD.encode(rand::random::<[u8; 32]>());
                let mut options = std::fs::OpenOptions::new();
                options.write(true).create_new(true);
                #[cfg(unix)]
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
                let mut f = options.open(file).map_err(Error::internal)?;
                f.write_all(text.as_bytes()).and_then(|()| f.sync_all()).map_err(Error::internal)?;
                Self::from_text(&text)
            }
            Err(e) => Err(Error::internal(e)),
        }
    }
    /// Seals a secret into base64 of nonce and ciphertext.
    pub fn seal(&self, secret: &str) -> Result<String> {
        let nonce: [u8; NONCE] = rand::random();
        let mut out = nonce.to_vec();
        out.extend(self.0.encrypt(Nonce::from_slice(&nonce), secret.as_bytes()).map_err(|_| Error::internal("sealing failed"))?);
        Ok(STANDARD.encode(out))
    }
    /// Opens what [`Self::seal`] made.
    pub fn open(&self, sealed: &str) -> Result<String> {
        let bad = || Error::internal("a sealed secret does not open: wrong master key?");
        let bytes = STANDARD.decode(sealed).map_err(|_| bad())?;
        let (nonce, text) = bytes.split_at_checked(NONCE).ok_or_else(bad)?;
        let clear = self.0.decrypt(Nonce::from_slice(nonce), text).map_err(|_| bad())?;
        String::from_utf8(clear).map_err(|_| bad())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_only() {
        let a = Sealer::new(&[1; 32]);
        let sealed = a.seal("secret").expect("seals");
        assert!(!sealed.contains("secret"));
        assert_eq!(a.open(&sealed).expect("opens"), "secret");
        assert!(Sealer::new(&[2; 32]).open(&sealed).is_err());
        assert!(a.open("AAAA").is_err());
    }
}
