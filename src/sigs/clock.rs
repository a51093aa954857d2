//! The times of a request and how long it is good for.

use crate::refusal::{Reason, Refusal};
use jiff::{Timestamp, civil, fmt::rfc2822, tz::TimeZone};

/// How far a request's own time may be from ours, in microseconds: 15 minutes, as AWS and Eucalyptus have it.
pub const SKEW_MICROS: i64 = 15 * 60 * 1_000_000;
/// The longest life of a presigned SigV4 request, in seconds: seven days, as AWS has it.
pub const MAX_PRESIGN_SECONDS: i64 = 604_800;
const SECOND: i64 = 1_000_000;

/// When a request is good. Microseconds since the epoch, both ends included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    from: i64,
    until: i64,
    late: Reason,
}

impl Window {
    /// Around the request's own time.
    pub(crate) const fn around(at: i64) -> Self {
        Self { from: at.saturating_sub(SKEW_MICROS), until: at.saturating_add(SKEW_MICROS), late: Reason::Skewed }
    }

    /// Up to an absolute end.
    pub(crate) const fn until(end: i64) -> Self {
        Self { from: i64::MIN, until: end, late: Reason::Expired }
    }

    /// From the request's own time, less what clocks may differ, up to an absolute end.
    pub(crate) const fn between(at: i64, end: i64) -> Self {
        Self { from: at.saturating_sub(SKEW_MICROS), until: end, late: Reason::Expired }
    }

    pub(crate) const fn end(&self) -> i64 {
        self.until
    }

    pub(crate) fn check(&self, now: i64) -> Result<(), Refusal> {
        if now < self.from {
            return Err(Refusal::new(Reason::Skewed, "The request's time lies in the future; check the clock"));
        }
        if now > self.until {
            return Err(Refusal::new(self.late, "The request has expired; check the clock and sign again"));
        }
        Ok(())
    }
}

/// An ISO 8601 time as SigV2 clients write it: `Z`, an offset or nothing (UTC) at the end, a fraction or none.
pub(crate) fn extended(text: &str) -> Option<i64> {
    let known = |c: u8| c.is_ascii_digit() || matches!(c, b'T' | b'Z' | b':' | b'.' | b'+' | b'-');
    if text.len() < 19 || text.len() > 40 || !text.bytes().all(known) || text.as_bytes()[10] != b'T' {
        return None;
    }
    match text.parse::<Timestamp>() {
        Ok(at) => Some(at.as_microsecond()),
        Err(_) => utc(text.parse().ok()?),
    }
}

/// The basic form of SigV4, `20261121T015235Z`, and nothing else.
pub(crate) fn basic(text: &str) -> Option<i64> {
    let shape = |(i, c): (usize, u8)| match i {
        8 => c == b'T',
        15 => c == b'Z',
        _ => c.is_ascii_digit(),
    };
    if text.len() != 16 || !text.bytes().enumerate().all(shape) {
        return None;
    }
    utc(civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?)
}

/// A Date header (RFC 2822), or the basic form in its place.
pub(crate) fn header_date(text: &str) -> Option<i64> {
    basic(text).or_else(|| Some(rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?.as_microsecond()))
}

/// Seconds since the epoch, as S3's `Expires` has them, in microseconds.
pub(crate) fn epoch_seconds(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    text.parse::<i64>().ok()?.checked_mul(SECOND)
}

/// The number of seconds of a presigned request's life, in microseconds.
pub(crate) fn lifetime(text: &str) -> Option<i64> {
    let micros = epoch_seconds(text)?;
    (SECOND..=MAX_PRESIGN_SECONDS * SECOND).contains(&micros).then_some(micros)
}

/// The time in SigV4's basic form.
pub(crate) fn to_basic(micros: i64) -> String {
    write(micros, "%Y%m%dT%H%M%SZ")
}

/// The time in SigV2's form.
pub(crate) fn to_extended(micros: i64) -> String {
    write(micros, "%Y-%m-%dT%H:%M:%SZ")
}

/// The time as a Date header has it.
pub(crate) fn to_header_date(micros: i64) -> String {
    write(micros, "%a, %d %b %Y %H:%M:%S GMT")
}

fn write(micros: i64, format: &str) -> String {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH).strftime(format).to_string()
}

fn utc(at: civil::DateTime) -> Option<i64> {
    Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_795_226_400_000_000;

    #[test]
    fn every_way_to_write_a_time_means_the_same_instant() {
        for text in [
            "2026-11-21T02:00:00Z",
            "2026-11-21T02:00:00.000Z",
            "2026-11-21T02:00:00",
            "2026-11-21T02:00:00.000",
            "2026-11-21T03:00:00+01:00",
            "2026-11-20T21:30:00-04:30",
            "2026-11-21T03:00:00+0100",
        ] {
            assert_eq!(extended(text), Some(AT), "{text}");
        }
        assert_eq!(basic("20261121T020000Z"), Some(AT));
        assert_eq!(header_date("Sat, 21 Nov 2026 02:00:00 GMT"), Some(AT));
        assert_eq!(header_date("Sat, 21 Nov 2026 03:00:00 +0100"), Some(AT));
        assert_eq!(extended(&to_extended(AT)), Some(AT));
        assert_eq!(basic(&to_basic(AT)), Some(AT));
        assert_eq!(header_date(&to_header_date(AT)), Some(AT));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "now", "2026-11-21", "2026-13-21T02:00:00Z", "2026-11-21 02:00:00Z", "2026-11-21T02:00:00Z[UTC]"] {
            assert_eq!(extended(text), None, "{text}");
        }
        for text in ["20261121T020000", "20261121t020000Z", "20261131T020000Z", "+0261121T020000Z"] {
            assert_eq!(basic(text), None, "{text}");
        }
        for text in ["0", "604801", "-1", "1e3", "99999999999999999999"] {
            assert_eq!(lifetime(text), None, "{text}");
        }
        assert_eq!(lifetime("604800"), Some(604_800_000_000));
    }

    #[test]
    fn a_window_includes_its_ends_and_nothing_beyond() {
        let window = Window::around(AT);
        assert!(window.check(AT - SKEW_MICROS).is_ok() && window.check(AT + SKEW_MICROS).is_ok());
        assert_eq!(window.check(AT - SKEW_MICROS - 1).map_err(|r| r.reason), Err(Reason::Skewed));
        assert_eq!(window.check(AT + SKEW_MICROS + 1).map_err(|r| r.reason), Err(Reason::Skewed));
        assert_eq!(Window::until(AT).check(AT + 1).map_err(|r| r.reason), Err(Reason::Expired));
    }
}
