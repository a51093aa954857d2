//! When recurring snapshots are due: a minute of the hour, day, week or month on the clock of a time zone, daylight saving and all.
use crate::{Error, Micros, Result};
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

/// Three-letter names that clients of the original send, which the tz database does not have.
const OLD_NAMES: &[(&str, &str)] = &[
    ("PST", "America/Los_Angeles"),
    ("CST", "America/Chicago"),
    ("AST", "America/Anchorage"),
    ("IST", "Asia/Kolkata"),
    ("JST", "Asia/Tokyo"),
    ("CTT", "Asia/Shanghai"),
    ("ECT", "Europe/Paris"),
    ("AET", "Australia/Sydney"),
];

/// How often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// At a minute of every hour: `MM`.
    Hourly,
    /// At a time of every day: `MM:HH`.
    Daily,
    /// At a time of a day of the week, 1 is Sunday: `MM:HH:D`.
    Weekly,
    /// At a time of a day of the month, 1 to 28: `MM:HH:DD`.
    Monthly,
}

impl Interval {
    /// All of them, by their numbers on the wire.
    pub const ALL: [Self; 4] = [Self::Hourly, Self::Daily, Self::Weekly, Self::Monthly];
    /// The word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hourly => "HOURLY",
            Self::Daily => "DAILY",
            Self::Weekly => "WEEKLY",
            Self::Monthly => "MONTHLY",
        }
    }
    /// From the word, in any case.
    pub fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|i| i.word().eq_ignore_ascii_case(word.trim()))
    }
    /// The number on the wire.
    pub const fn number(self) -> i64 {
        self as i64
    }
}

/// A recurring moment.
#[derive(Debug, Clone)]
pub struct Schedule {
    interval: Interval,
    minute: i8,
    hour: i8,
    day: i8,
    zone: TimeZone,
}

impl Schedule {
    /// Reads a schedule as the native API takes it; the error names the parameter, `schedule` or `timezone`.
    pub fn read(interval: Interval, schedule: &str, timezone: &str) -> Result<Self> {
        let shape = match interval {
            Interval::Hourly => "MM",
            Interval::Daily => "MM:HH",
            Interval::Weekly => "MM:HH:D, a day of 1 (Sunday) to 7",
            Interval::Monthly => "MM:HH:DD, a day of 1 to 28",
        };
        let bad = || Error::invalid("schedule", format!("'{schedule}' is not {shape}"));
        let parts: Vec<i8> = schedule.trim().split(':').map(str::parse).collect::<std::result::Result<_, _>>().map_err(|_| bad())?;
        let most = match interval {
            Interval::Hourly => 1,
            Interval::Daily => 2,
            Interval::Weekly | Interval::Monthly => 3,
        };
        let part = |i: usize| parts.get(i).copied().unwrap_or(0);
        let last_day = if interval == Interval::Weekly { 7 } else { 28 };
        let day_fits = most < 3 || (1..=last_day).contains(&part(2));
        if parts.len() != most || !(0..60).contains(&part(0)) || !(0..24).contains(&part(1)) || !day_fits {
            return Err(bad());
        }
        let name = timezone.trim();
        let name = OLD_NAMES.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new);
        let zone = TimeZone::get(name).map_err(|_| Error::invalid("timezone", format!("'{timezone}' is no time zone")))?;
        Ok(Self { interval, minute: part(0), hour: part(1), day: part(2), zone })
    }

    /// The first moment after this one at which it is due. A time that a day skips (the clock goes forward) is due as much later as was
    /// skipped; one that comes twice is due the first time.
    pub fn next(&self, after: Micros) -> Result<Micros> {
        let after = Timestamp::from_microsecond(after).map_err(Error::internal)?;
        let now = after.to_zoned(self.zone.clone());
        let found = match self.interval {
            Interval::Hourly => self.next_hour(&now),
            Interval::Daily => self.first(now.date(), after, |d| d.tomorrow()),
            Interval::Weekly => {
                let ahead = (self.day - 1 - now.weekday().to_sunday_zero_offset()).rem_euclid(7);
                let day = now.date().checked_add(Span::new().days(i64::from(ahead))).map_err(Error::internal)?;
                self.first(day, after, |d| d.checked_add(Span::new().weeks(1)))
            }
            Interval::Monthly => {
                let day = now.date().with().day(self.day).build().map_err(Error::internal)?;
                self.first(day, after, |d| d.checked_add(Span::new().months(1)))
            }
        };
        found.map(|z| z.timestamp().as_microsecond()).map_err(Error::internal)
    }

    fn next_hour(&self, now: &Zoned) -> std::result::Result<Zoned, jiff::Error> {
        let start = now.with().second(0).subsec_nanosecond(0).build()?;
        let ahead = i64::from((self.minute - now.minute()).rem_euclid(60));
        let next = start.checked_add(Span::new().minutes(ahead))?;
        if next.timestamp() > now.timestamp() { Ok(next) } else { next.checked_add(Span::new().hours(1)) }
    }

    fn first(
        &self,
        mut day: Date,
        after: Timestamp,
        step: impl Fn(Date) -> std::result::Result<Date, jiff::Error>,
    ) -> std::result::Result<Zoned, jiff::Error> {
        loop {
            let due = day.to_datetime(Time::constant(self.hour, self.minute, 0, 0)).to_zoned(self.zone.clone())?;
            if due.timestamp() > after {
                return Ok(due);
            }
            day = step(day)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_date;

    fn at(text: &str) -> Micros {
        parse_date(text).expect("a time")
    }

    fn next(interval: Interval, schedule: &str, zone: &str, after: &str) -> String {
        let schedule = Schedule::read(interval, schedule, zone).expect("a schedule");
        crate::format_date(schedule.next(at(after)).expect("a next time"))[..16].to_owned()
    }

    #[test]
    fn each_kind_is_due_at_its_time() {
        let zone = "Europe/Berlin"; // 1 hour before UTC in winter
        assert_eq!(next(Interval::Hourly, "15", zone, "2013-01-10 10:14:59"), "2013-01-10T10:15");
        assert_eq!(next(Interval::Hourly, "15", zone, "2013-01-10 10:15:00"), "2013-01-10T11:15");
        assert_eq!(next(Interval::Hourly, "15", "Asia/Kolkata", "2013-01-10 10:00:00"), "2013-01-10T10:45");
        assert_eq!(next(Interval::Daily, "30:02", zone, "2013-01-10 01:29:59"), "2013-01-10T01:30");
        assert_eq!(next(Interval::Daily, "30:02", zone, "2013-01-10 01:30:00"), "2013-01-11T01:30");
        assert_eq!(next(Interval::Weekly, "0:0:1", "UTC", "2013-01-10 00:00:00"), "2013-01-13T00:00");
        assert_eq!(next(Interval::Weekly, "0:0:5", "UTC", "2013-01-10 00:00:00"), "2013-01-17T00:00");
        assert_eq!(next(Interval::Monthly, "5:4:28", "GMT", "2013-01-28 04:05:00"), "2013-02-28T04:05");
        assert_eq!(next(Interval::Monthly, "5:4:28", "GMT", "2012-12-29 00:00:00"), "2013-01-28T04:05");
    }

    #[test]
    fn new_york_changes_its_clocks() {
        let zone = "America/New_York";
        // 2013-03-10 has no 02:30: an hour later by the clock, at the moment that 02:30 would have been.
        assert_eq!(next(Interval::Daily, "30:02", zone, "2013-03-09 07:30:00"), "2013-03-10T07:30");
        assert_eq!(next(Interval::Daily, "30:02", zone, "2013-03-10 07:30:00"), "2013-03-11T06:30");
        // 2013-11-03 has 01:30 twice: once is enough.
        assert_eq!(next(Interval::Daily, "30:01", zone, "2013-11-02 12:00:00"), "2013-11-03T05:30");
        assert_eq!(next(Interval::Daily, "30:01", zone, "2013-11-03 05:30:00"), "2013-11-04T06:30");
        assert_eq!(next(Interval::Hourly, "15", zone, "2013-11-03 05:15:00"), "2013-11-03T06:15");
    }

    #[test]
    fn what_is_no_schedule_is_refused_by_name() {
        use Interval::*;
        for (interval, text, zone, field) in [
            (Hourly, "60", "UTC", "schedule"),
            (Hourly, "1:1", "UTC", "schedule"),
            (Hourly, "", "UTC", "schedule"),
            (Daily, "0:24", "UTC", "schedule"),
            (Daily, "0", "UTC", "schedule"),
            (Weekly, "0:0:8", "UTC", "schedule"),
            (Weekly, "0:0:0", "UTC", "schedule"),
            (Monthly, "0:0:29", "UTC", "schedule"),
            (Monthly, "0:0:-1", "UTC", "schedule"),
            (Monthly, "99999:0:1", "UTC", "schedule"),
            (Hourly, "0", "Mars/Olympus", "timezone"),
            (Hourly, "0", "../etc/passwd", "timezone"),
            (Hourly, "0", "", "timezone"),
        ] {
            let refused = Schedule::read(interval, text, zone).expect_err(text).to_string();
            assert!(refused.contains(field), "{interval:?} {text} {zone}: {refused}");
        }
        assert!(Schedule::read(Daily, "0:0", "PST").is_ok());
    }
}
