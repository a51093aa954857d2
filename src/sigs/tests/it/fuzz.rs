//! What comes from strangers, bent at random: no parser may panic, and nothing that was changed where it counts may be believed.
//!
//! A short run with fixed seeds stands in every test run. `make fuzz` gives each target a minute with a seed of the clock, which it prints;
//! `STRATUS_FUZZ_SEED` repeats it. The captured requests are what is bent. Coverage does not guide it: that would need a nightly compiler.

use crate::http_file::Owned;
use crate::vectors::{Vector, all};
use std::time::{Duration, Instant};
use stratus_sigs::soap::{Claim, Document, Envelope};

/// Rounds of the run that stands in every test run.
const ROUNDS: u64 = 1_500;

/// Numbers that look random (xorshift64*): the same seed gives the same run on every machine.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap_or(0)
    }

    /// A text with a few bytes changed, left out, said twice, put in or taken from another.
    fn bend(&mut self, text: &[u8], other: &[u8]) -> Vec<u8> {
        const WORDS: &[&[u8]] = &[
            b"<",
            b">",
            b"</",
            b"/>",
            b"&amp;",
            b"&#x0;",
            b"&x;",
            b"<![CDATA[",
            b"]]>",
            b"<!--",
            b"<!DOCTYPE a>",
            b"<?x?>",
            b"xmlns=\"\"",
            b" xmlns:a='b'",
            b"\"",
            b"'",
            b"\0",
            b"\xff\xfe",
            b"%",
            b"%zz",
            b"&",
            b"=",
            b"+",
            b"Action=",
            b"Signature=",
            b"Id=\"x\"",
            b"\r\n",
            b"9999999999999999999",
        ];
        let mut out = text.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(out.len() + 1);
            let end = (at + self.below(40)).min(out.len());
            match self.below(6) {
                0 if at < out.len() => out[at] = u8::try_from(self.below(256)).unwrap_or(0),
                1 => drop(out.drain(at..end)),
                2 => {
                    let again = out[at..end].to_vec();
                    drop(out.splice(at..at, again));
                }
                3 => drop(out.splice(at..at, WORDS[self.below(WORDS.len())].iter().copied())),
                4 if !other.is_empty() => {
                    let from = self.below(other.len());
                    let part = &other[from..(from + self.below(400)).min(other.len())];
                    drop(out.splice(at..end, part.iter().copied()));
                }
                _ => out.truncate(at),
            }
        }
        out
    }
}

/// Bends texts until the rounds, or the time, are over.
#[allow(clippy::print_stdout, reason = "the seed is what a failure is repeated with")]
fn run(name: &str, seeds: &[Vec<u8>], mut target: impl FnMut(&[u8])) {
    let number = |name: &str| std::env::var(name).ok().and_then(|t| t.parse::<u64>().ok());
    let time = number("STRATUS_FUZZ_SECONDS").map(Duration::from_secs);
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |d| d.as_micros() as u64);
    let seed = number("STRATUS_FUZZ_SEED").unwrap_or(if time.is_some() { clock } else { 0x5eed }).max(1);
    let (mut dice, since, mut rounds) = (Dice(seed), Instant::now(), 0_u64);
    while time.map_or(rounds < ROUNDS, |t| since.elapsed() < t) {
        let (text, other) = (&seeds[dice.below(seeds.len())], &seeds[dice.below(seeds.len())]);
        target(&dice.bend(text, other));
        rounds += 1;
    }
    println!("{name}: {rounds} rounds from seed {seed}");
}

fn messages() -> Vec<Vector> {
    all().into_iter().filter(|v| v.auth() == "soap-wsse").collect()
}

#[test]
fn fuzz_the_query_parser() {
    let vectors: Vec<Vector> = all().into_iter().filter(|v| v.auth() != "soap-wsse" && !v.request.is_s3()).collect();
    let texts: Vec<Vec<u8>> = vectors
        .iter()
        .map(|v| if v.request.body.is_empty() { v.request.query.clone().into_bytes() } else { v.request.body.clone() })
        .collect();
    run("query", &texts, |text| {
        let form = ("content-type", "application/x-www-form-urlencoded");
        let post = Owned::new("POST", "/awsapi", "", &[("host", "h"), form], text);
        let get = Owned::new("GET", "/awsapi", &String::from_utf8_lossy(text), &[("host", "h")], b"");
        for request in [post, get] {
            let _ = request.ec2().map(|p| p.map(|p| p.verify("secret", 0)));
        }
    });
}

#[test]
fn fuzz_the_soap_parser() {
    let texts: Vec<Vec<u8>> = messages().into_iter().map(|v| v.request.body).collect();
    run("soap", &texts, |text| {
        let Ok(document) = Document::parse(text) else { return };
        assert!(document.all().count() <= 50_000);
        let _ = Envelope::of(document).map(|e| Claim::of(&e).is_ok());
    });
}

#[test]
fn fuzz_the_signature_verifier() {
    let good: Vec<Vector> = messages().into_iter().filter(|v| v.text("expect") == Some("accept")).collect();
    let texts: Vec<Vec<u8>> = good.iter().map(|v| v.request.body.clone()).collect();
    // What may be asked for in a believed message: what was asked for in one of those that were bent.
    let asked = |text: &[u8]| {
        let envelope = Envelope::of(Document::parse(text).ok()?).ok()?;
        let claim = Claim::of(&envelope).ok()??;
        let known = crate::soap::registered();
        let believed = good.iter().any(|v| claim.verify(&known.der, v.clock()).is_ok());
        believed.then(|| envelope.document.canonical_text(envelope.operation))
    };
    let known: Vec<Vec<u8>> = texts.iter().map(|t| asked(t).expect("believed")).collect();
    run("verifier", &texts, |text| {
        if let Some(operation) = asked(text) {
            assert!(known.contains(&operation), "believed, and never signed: {}", String::from_utf8_lossy(text));
        }
    });
}
