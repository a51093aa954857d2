//! The five checksums, and what a set of them becomes when parts are put together.
use crate::{Fault, Outcome};
use base64::{Engine, engine::general_purpose::STANDARD};
use crc_fast::CrcAlgorithm;
use serde::{Deserialize, Serialize};
use sha1::Digest;

/// A checksum algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the algorithms'")]
pub enum Algorithm {
    Crc32,
    Crc32c,
    Crc64nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64nvme, Self::Sha1, Self::Sha256];

    /// The name in documents and in x-amz-checksum-algorithm.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }
    /// The element of documents.
    pub const fn element(self) -> &'static str {
        match self {
            Self::Crc32 => "ChecksumCRC32",
            Self::Crc32c => "ChecksumCRC32C",
            Self::Crc64nvme => "ChecksumCRC64NVME",
            Self::Sha1 => "ChecksumSHA1",
            Self::Sha256 => "ChecksumSHA256",
        }
    }
    /// The header.
    pub const fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }
    /// From the name, the case aside.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.name().eq_ignore_ascii_case(name))
    }
    /// From the header's name.
    pub fn from_header(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.header().eq_ignore_ascii_case(name))
    }
    const fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }
    /// Bytes of a value.
    pub const fn width(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
    /// Whether a value of this algorithm can be sent: base64 of the right length.
    pub fn is_value(self, text: &str) -> bool {
        STANDARD.decode(text).is_ok_and(|b| b.len() == self.width())
    }
}

/// A sum being taken.
pub enum Sum {
    /// One of the CRCs.
    Crc(Algorithm, Box<crc_fast::Digest>),
    /// SHA-1.
    Sha1(sha1::Sha1),
    /// SHA-256.
    Sha256(sha2::Sha256),
}

impl Sum {
    /// Begins one.
    pub fn new(a: Algorithm) -> Self {
        match (a.crc(), a) {
            (Some(crc), _) => Self::Crc(a, Box::new(crc_fast::Digest::new(crc))),
            (None, Algorithm::Sha1) => Self::Sha1(sha1::Sha1::new()),
            (None, _) => Self::Sha256(sha2::Sha256::new()),
        }
    }
    /// Takes bytes in.
    pub fn update(&mut self, data: &[u8]) {
        match self {
            Self::Crc(_, d) => d.update(data),
            Self::Sha1(d) => d.update(data),
            Self::Sha256(d) => d.update(data),
        }
    }
    /// The value in base64.
    pub fn finish(self) -> String {
        match self {
            Self::Crc(a, d) => crc_text(a, d.finalize()),
            Self::Sha1(d) => STANDARD.encode(d.finalize()),
            Self::Sha256(d) => STANDARD.encode(d.finalize()),
        }
    }
}

fn crc_text(a: Algorithm, value: u64) -> String {
    STANDARD.encode(&value.to_be_bytes()[8 - a.width()..])
}

/// A checksum that is kept with an object or a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Its value in base64, `-n` behind it for a sum of n parts' sums.
    pub value: String,
    /// Whether it is a sum over parts' sums.
    #[serde(default)]
    pub composite: bool,
}

impl Kept {
    /// The word of x-amz-checksum-type.
    pub const fn kind(&self) -> &'static str {
        if self.composite { "COMPOSITE" } else { "FULL_OBJECT" }
    }
}

/// The checksum of an object from those of its parts, given with their sizes. Full CRCs are combined; of the rest the values are summed.
pub fn of_parts(a: Algorithm, full: bool, parts: &[(String, u64)]) -> Outcome<Kept> {
    let broken = || Fault::new("InternalError", "A kept checksum cannot be read");
    let mut values = Vec::with_capacity(parts.len());
    for (text, size) in parts {
        values.push((STANDARD.decode(text).map_err(|_| broken())?, *size));
    }
    if full && let Some(crc) = a.crc() {
        let number = |b: &[u8]| b.iter().fold(0u64, |n, byte| (n << 8) | u64::from(*byte));
        let mut all = None;
        for (value, size) in &values {
            let value = number(value);
            all = Some(match all {
                None => value,
                Some(before) => crc_fast::checksum_combine(crc, before, value, *size),
            });
        }
        return Ok(Kept { algorithm: a, value: crc_text(a, all.ok_or_else(broken)?), composite: false });
    }
    let mut sum = Sum::new(a);
    values.iter().for_each(|(v, _)| sum.update(v));
    Ok(Kept { algorithm: a, value: format!("{}-{}", sum.finish(), parts.len()), composite: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(a: Algorithm, data: &[u8]) -> String {
        let mut s = Sum::new(a);
        s.update(data);
        s.finish()
    }

    #[test]
    fn the_values_are_those_of_the_standards() {
        // The check value of each CRC's catalogue entry, over "123456789".
        let nine = b"123456789";
        assert_eq!(of(Algorithm::Crc32, nine), STANDARD.encode(0xcbf4_3926_u32.to_be_bytes()));
        assert_eq!(of(Algorithm::Crc32c, nine), STANDARD.encode(0xe306_9283_u32.to_be_bytes()));
        assert_eq!(of(Algorithm::Crc64nvme, nine), STANDARD.encode(0xae8b_1486_0a79_9888_u64.to_be_bytes()));
        assert_eq!(of(Algorithm::Sha1, b""), "2jmj7l5rSw0yVb/vlWAYkK/YBwk=");
        assert_eq!(of(Algorithm::Sha256, b""), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }

    #[test]
    fn full_sums_of_parts_are_the_sum_of_the_whole() {
        for a in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64nvme] {
            let parts = [(of(a, b"12345"), 5), (of(a, b"67"), 2), (of(a, b"89"), 2)];
            assert_eq!(of_parts(a, true, &parts).map(|k| k.value), Ok(of(a, b"123456789")), "{}", a.name());
            assert!(of_parts(a, false, &parts).is_ok_and(|k| k.composite && k.value.ends_with("-3")));
        }
    }
}
