//! Checksums: of which kind one is, and of a file.
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use std::fmt::Write as _;
use std::io::{self, Read};
use stratus_drivers::DriverError;

/// Kinds of checksums: MD5, as the original has it, and those that came after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "their names say it")]
pub enum Kind {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// Name in braces, digits.
const KINDS: [(Kind, &str, usize); 5] = [
    (Kind::Md5, "MD5", 32),
    (Kind::Sha1, "SHA-1", 40),
    (Kind::Sha256, "SHA-256", 64),
    (Kind::Sha384, "SHA-384", 96),
    (Kind::Sha512, "SHA-512", 128),
];

/// A checksum with its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// Its kind.
    pub kind: Kind,
    /// Hexadecimal, lower case.
    pub hex: String,
}

impl Digest {
    /// Reads `{SHA-256}…` or bare digits, whose number says the kind.
    pub fn read(text: &str) -> Result<Self, DriverError> {
        let bad = |why: &str| DriverError::Failed(format!("checksum `{text}` {why}"));
        let (named, digits) = match text.trim().strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            Some((name, digits)) => (Some(name.to_ascii_uppercase()), digits.trim()),
            None => (None, text.trim()),
        };
        let fits = |(_, name, length): &&(Kind, &str, usize)| match &named {
            Some(n) => *n == *name || *n == name.replace('-', ""),
            None => *length == digits.len(),
        };
        let (kind, _, length) =
            KINDS.iter().find(fits).ok_or_else(|| bad("is of no kind that is known: MD5, SHA-1, SHA-256, SHA-384, SHA-512"))?;
        if digits.len() != *length || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(bad(&format!("does not have {length} hexadecimal digits")));
        }
        Ok(Self { kind: *kind, hex: digits.to_ascii_lowercase() })
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = KINDS.iter().find(|(k, ..)| *k == self.kind).map_or("", |(_, n, _)| n);
        write!(f, "{{{name}}}{}", self.hex)
    }
}

/// The checksum of everything that can be read. Blocks.
pub fn digest_of(kind: Kind, from: impl Read) -> io::Result<Digest> {
    let hex = match kind {
        Kind::Md5 => sum::<Md5>(from),
        Kind::Sha1 => sum::<Sha1>(from),
        Kind::Sha256 => sum::<Sha256>(from),
        Kind::Sha384 => sum::<Sha384>(from),
        Kind::Sha512 => sum::<Sha512>(from),
    }?;
    Ok(Digest { kind, hex })
}

fn sum<D: sha2::Digest>(mut from: impl Read) -> io::Result<String> {
    let (mut sum, mut part) = (D::new(), vec![0; 256 << 10]);
    loop {
        match from.read(&mut part)? {
            0 => break,
            n => sum.update(&part[..n]),
        }
    }
    let mut hex = String::new();
    for byte in sum.finalize() {
        let _ = write!(hex, "{byte:02x}"); // into a string: cannot fail
    }
    Ok(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_the_name_or_the_length() {
        let md5 = Digest::read("900150983CD24FB0D6963F7D28E17F72").expect("reads");
        assert_eq!(digest_of(Kind::Md5, &b"abc"[..]).expect("sums"), md5);
        let sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for text in [sha.to_owned(), format!("{{SHA-256}}{sha}"), format!("{{sha256}}{sha}")] {
            assert_eq!(Digest::read(&text).expect("reads").to_string(), format!("{{SHA-256}}{sha}"));
        }
        assert_eq!(digest_of(Kind::Sha256, &b"abc"[..]).expect("sums").hex, sha);
        for bad in ["", "abc", "{CRC32}12345678", &format!("{{MD5}}{sha}"), &"g".repeat(32)] {
            assert!(Digest::read(bad).is_err(), "{bad}");
        }
    }
}
