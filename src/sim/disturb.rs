//! Delays and faults as text, for a flag or a command: `start:delay=200ms`, `stop/i-2-3-VM:fail=unreachable@3`, `ping:hang@2+`.
//!
//! `<op>[/<target>]:<what>[@<n>[+]]`. `what` is `delay=<number><us|ms|s|m>`, `fail`, `fail=<error>`, `hang` or `lose`. `@3` strikes
//! the third matching call, `@3+` the third and all later ones, nothing every call. The target goes up to the last colon.
use crate::fault::{Fault, FaultKind, Op};
use std::str::FromStr;
use std::time::Duration;
use stratus_drivers::DriverError;

/// A delay or a fault.
#[derive(Debug, Clone)]
pub enum Disturbance {
    /// An operation takes this long.
    Delay {
        /// The operation.
        op: Op,
        /// How long.
        delay: Duration,
    },
    /// Something goes wrong.
    Fault(Fault),
}

/// Why a text is not a disturbance; it names the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} of the disturbance: {reason}")]
pub struct DisturbanceError {
    /// `operation`, `target`, `what`, `delay`, `error` or `count`.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

fn wrong(field: &'static str, reason: impl Into<String>) -> DisturbanceError {
    DisturbanceError { field, reason: reason.into() }
}

impl FromStr for Disturbance {
    type Err = DisturbanceError;

    fn from_str(text: &str) -> Result<Self, DisturbanceError> {
        let (subject, what) = text
            .rsplit_once(':')
            .ok_or_else(|| wrong("what", format!("`{text}` has no `:`, as in `start:delay=200ms` or `start:fail@3`")))?;
        let (op, target) = match subject.split_once('/') {
            Some((_, "")) => return Err(wrong("target", "there is nothing after the `/`")),
            Some((op, target)) => (op, Some(target.to_owned())),
            None => (subject, None),
        };
        let op = op.parse().map_err(|reason| wrong("operation", reason))?;
        let (what, count) = match what.split_once('@') {
            Some((what, count)) => (what, Some(count)),
            None => (what, None),
        };
        if let Some(delay) = what.strip_prefix("delay=") {
            return match (target, count) {
                (Some(_), _) => Err(wrong("target", "a delay is for all calls of an operation")),
                (_, Some(_)) => Err(wrong("count", "a delay is for all calls of an operation")),
                (None, None) => Ok(Self::Delay { op, delay: parse_delay(delay)? }),
            };
        }
        let (nth, lasting) = parse_count(count)?;
        let kind = parse_kind(what, op, target.as_deref())?;
        Ok(Self::Fault(Fault { op, target, nth, lasting, kind }))
    }
}

fn parse_delay(text: &str) -> Result<Duration, DisturbanceError> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong("delay", format!("`{text}` does not begin with a whole number")))?;
    let micros = match unit {
        "us" => 1,
        "ms" => 1000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        _ => return Err(wrong("delay", format!("`{text}` does not end in us, ms, s or m"))),
    };
    number.checked_mul(micros).map(Duration::from_micros).ok_or_else(|| wrong("delay", format!("`{text}` is too long")))
}

fn parse_count(text: Option<&str>) -> Result<(u32, bool), DisturbanceError> {
    let Some(text) = text else { return Ok((1, true)) };
    let (number, lasting) = match text.strip_suffix('+') {
        Some(number) => (number, true),
        None => (text, false),
    };
    match number.parse() {
        Ok(nth) if nth > 0 && !number.starts_with('+') => Ok((nth, lasting)),
        _ => Err(wrong("count", format!("`{text}` is not a whole number from 1, with or without a `+` behind it"))),
    }
}

fn parse_kind(text: &str, op: Op, target: Option<&str>) -> Result<FaultKind, DisturbanceError> {
    let what = || format!("{op} of {}, as the simulator was told", target.unwrap_or("anything"));
    let error = match text {
        "hang" => return Ok(FaultKind::Hang),
        "lose" => return Ok(FaultKind::Lose),
        "fail" => "failed",
        _ => match text.strip_prefix("fail=") {
            Some(error) => error,
            None => return Err(wrong("what", format!("`{text}` is not one of delay=, fail, fail=, hang, lose"))),
        },
    };
    Ok(FaultKind::Fail(match error {
        "failed" => DriverError::Failed(what()),
        "unreachable" => DriverError::Unreachable(what()),
        "no-room" => DriverError::NoRoom(what()),
        "missing" => DriverError::Missing(what()),
        "unsupported" => DriverError::Unsupported(what()),
        _ => return Err(wrong("error", format!("`{error}` is not one of failed, unreachable, no-room, missing, unsupported"))),
    }))
}
