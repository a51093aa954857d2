//! What comes from strangers, bent at random.
//!
//! A short run with a fixed seed stands in every test run. `make fuzz` gives each target a minute with a seed of the clock, which it prints;
//! `STRATUS_FUZZ_SEED` repeats it. Coverage does not guide it: that would need a nightly compiler.
use std::time::{Duration, Instant};

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
    fn bend(&mut self, words: &[&[u8]], text: &[u8], other: &[u8]) -> Vec<u8> {
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
                3 => drop(out.splice(at..at, words[self.below(words.len())].iter().copied())),
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

/// Bends `seeds`, now and then with one of `words` put in, and gives them to `target`, until the rounds, or the time, are over.
#[allow(clippy::print_stdout, reason = "the seed is what a failure is repeated with")]
pub fn run(name: &str, words: &[&[u8]], seeds: &[Vec<u8>], mut target: impl FnMut(&[u8])) {
    let number = |name: &str| std::env::var(name).ok().and_then(|t| t.parse::<u64>().ok());
    let time = number("STRATUS_FUZZ_SECONDS").map(Duration::from_secs);
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |d| d.as_micros() as u64);
    let seed = number("STRATUS_FUZZ_SEED").unwrap_or(if time.is_some() { clock } else { 0x5eed }).max(1);
    let (mut dice, since, mut rounds) = (Dice(seed), Instant::now(), 0_u64);
    while time.map_or(rounds < ROUNDS, |t| since.elapsed() < t) {
        let (text, other) = (&seeds[dice.below(seeds.len())], &seeds[dice.below(seeds.len())]);
        target(&dice.bend(words, text, other));
        rounds += 1;
    }
    println!("{name}: {rounds} rounds from seed {seed}");
}
