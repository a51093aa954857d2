use std::sync::atomic::{AtomicI64, Ordering};

/// Microseconds since 1970-01-01 UTC: how every time is stored and passed around.
pub type Micros = i64;

/// What time it is. A parameter everywhere, so that a test steps days instead of sleeping them.
pub trait Clock: Send + Sync {
    /// Now, in microseconds since 1970 UTC.
    fn now(&self) -> Micros;
}

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Micros {
        jiff::Timestamp::now().as_microsecond()
    }
}

/// A clock that moves only when told.
#[derive(Debug)]
pub struct SteppedClock(AtomicI64);

impl SteppedClock {
    /// A clock that stands at `micros`.
    pub fn at(micros: Micros) -> Self {
        Self(AtomicI64::new(micros))
    }
    /// Moves the clock forward by `micros`.
    pub fn step(&self, micros: Micros) {
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
    /// Sets the clock.
    pub fn set(&self, micros: Micros) {
        self.0.store(micros, Ordering::SeqCst);
    }
}

impl Clock for SteppedClock {
    fn now(&self) -> Micros {
        self.0.load(Ordering::SeqCst)
    }
}

/// A time as the native API prints it: `2013-01-01T00:00:00+0000` (catalog/README.md, "JSON").
pub fn format_date(at: Micros) -> String {
    let Ok(t) = jiff::Timestamp::from_microsecond(at) else { return String::new() };
    let t = jiff::tz::Offset::UTC.to_datetime(t);
    // Digit by digit: lists have one or two of these in every row, and a format string costs ten times as much.
    let mut text = *b"0000-00-00T00:00:00+0000";
    let parts = [(0, 4, t.year()), (5, 2, t.month().into()), (8, 2, t.day().into())];
    let parts = parts.into_iter().chain([(11, 2, t.hour().into()), (14, 2, t.minute().into()), (17, 2, t.second().into())]);
    for (at, digits, mut rest) in parts {
        for i in (at..at + digits).rev() {
            text[i] = b'0' + rest.unsigned_abs().rem_euclid(10) as u8;
            rest /= 10;
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// A date as the native API takes it, in UTC: `yyyy-MM-dd`, `yyyy-MM-dd HH:mm:ss` or the ISO form with an offset.
pub fn parse_date(text: &str) -> Option<Micros> {
    use jiff::civil::{Date, DateTime};
    let utc = |d: DateTime| d.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|z| z.timestamp().as_microsecond());
    if let Ok(d) = Date::strptime("%Y-%m-%d", text) {
        return utc(d.to_datetime(jiff::civil::Time::midnight()));
    }
    if let Ok(d) = DateTime::strptime("%Y-%m-%d %H:%M:%S", text) {
        return utc(d);
    }
    ["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S%:z"]
        .iter()
        .find_map(|f| jiff::Zoned::strptime(f, text).ok().map(|z| z.timestamp()).or_else(|| jiff::Timestamp::strptime(f, text).ok()))
        .or_else(|| text.parse::<jiff::Timestamp>().ok())
        .map(|t| t.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_come_and_go_in_the_documented_forms() {
        let at = parse_date("2012-07-05").expect("a date");
        assert_eq!(format_date(at), "2012-07-05T00:00:00+0000");
        assert_eq!(format_date(parse_date("2012-07-05 12:18:27").expect("a time")), "2012-07-05T12:18:27+0000");
        assert_eq!(format_date(parse_date("2012-07-05T12:18:27-0700").expect("with offset")), "2012-07-05T19:18:27+0000");
        assert_eq!(format_date(parse_date("2012-07-05T12:18:27Z").expect("zulu")), "2012-07-05T12:18:27+0000");
        assert_eq!(parse_date("yesterday"), None);
    }
}
