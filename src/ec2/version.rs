use crate::Fault;

/// The `Version` of a request. Every date is served and echoed; what an answer holds goes by the order of dates.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(String);

impl Version {
    /// Reads `YYYY-MM-DD`.
    pub fn parse(text: &str) -> Option<Self> {
        let shape =
            text.len() == 10 && text.bytes().enumerate().all(|(i, b)| if matches!(i, 4 | 7) { b == b'-' } else { b.is_ascii_digit() });
        let part = |range: std::ops::Range<usize>| text.get(range).and_then(|t| t.parse::<u32>().ok()).unwrap_or(0);
        (shape && part(0..4) >= 2006 && (1..=12).contains(&part(5..7)) && (1..=31).contains(&part(8..10))).then(|| Self(text.to_owned()))
    }
    /// The version that a request names.
    pub fn of(parameter: Option<&str>) -> Result<Self, Fault> {
        let text = parameter.ok_or_else(|| Fault::missing("Version"))?;
        Self::parse(text).ok_or_else(|| Fault::new("NoSuchVersion", format!("There is no version {text} of this service")))
    }
    /// As sent.
    pub fn text(&self) -> &str {
        &self.0
    }
    /// Whether this is the given date or a later one.
    pub fn from(&self, date: &str) -> bool {
        self.0.as_str() >= date
    }
}

/// The versions in which something stands in an answer: `@2011-01-01..`, `@..2011-01-01` (the end not included) or both ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions {
    since: Option<Version>,
    until: Option<Version>,
}

impl Versions {
    /// Reads `2011-01-01..`, `..2011-01-01` or `2011-01-01..2014-02-01`.
    pub fn parse(text: &str) -> Option<Self> {
        let (since, until) = text.split_once("..")?;
        let end = |t: &str| if t.is_empty() { Some(None) } else { Version::parse(t).map(Some) };
        Some(Self { since: end(since)?, until: end(until)? })
    }
    /// Whether a version is one of these.
    pub fn hold(&self, version: &Version) -> bool {
        self.since.as_ref().is_none_or(|s| version >= s) && self.until.as_ref().is_none_or(|u| version < u)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_date() {
        for good in ["2006-06-26", "2010-11-15", "2016-11-15", "2024-01-01"] {
            assert!(Version::parse(good).is_some(), "{good}");
        }
        for bad in ["", "2010", "2010-13-01", "2010-11-15 ", "latest", "2010/11/15", "0000-00-00"] {
            assert!(Version::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn ranges_begin_with_their_first_and_end_before_their_last() {
        let range = Versions::parse("2011-01-01..2014-02-01").expect("a range");
        let holds = |t: &str| range.hold(&Version::parse(t).expect("a version"));
        assert_eq!([holds("2010-11-15"), holds("2011-01-01"), holds("2012-08-15"), holds("2014-02-01")], [false, true, true, false]);
        assert!(Versions::parse("..").is_some_and(|all| all.hold(&Version::parse("2008-02-01").expect("a version"))));
        assert!(Versions::parse("2011").is_none());
    }
}
