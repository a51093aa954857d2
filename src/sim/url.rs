//! What the URL of a simulated thing says: `http://sim/c0/h0?cpus=16&memory=128G`.
use std::collections::BTreeMap;
use stratus_drivers::DriverError;

/// Names that stand for no machine, so that what they offer can only be simulated: our own `sim`, and those that RFC 2606 and RFC 6761
/// set aside for documentation and tests.
const NOWHERE: [&str; 7] = ["sim", "example", "test", "invalid", "example.com", "example.org", "example.net"];

/// Whether a URL is of the simulated world, from which templates come without being fetched.
pub(crate) fn is_simulated(url: &str) -> bool {
    let (scheme, rest) = url.trim().split_once("://").unwrap_or_default();
    if matches!(scheme, "builtin" | "sim") {
        return true;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host).trim_end_matches('.').to_ascii_lowercase();
    NOWHERE.iter().any(|name| host.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('.')))
}

/// The query of a URL, from which known keys are taken; what is left over is refused.
pub(crate) struct Query<'a> {
    url: &'a str,
    values: BTreeMap<&'a str, &'a str>,
}

impl<'a> Query<'a> {
    /// Reads a URL; any scheme will do, none will not.
    pub fn of(url: &'a str) -> Result<Self, DriverError> {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        if scheme.is_empty() || rest.is_empty() {
            return Err(DriverError::Failed(format!("`{url}` is not a URL")));
        }
        let query = rest.split_once('?').map_or("", |(_, query)| query);
        let mut values = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if values.insert(key, value).is_some() {
                return Err(DriverError::Failed(format!("URL `{url}`: `{key}` stands there twice")));
            }
        }
        Ok(Self { url, values })
    }

    /// A positive number, if the key is there. `K`, `M`, `G` and `T` behind it are powers of 1024 when `sized`.
    fn number(&mut self, key: &str, sized: bool) -> Result<Option<u64>, DriverError> {
        let Some(text) = self.values.remove(key) else { return Ok(None) };
        let shift = match text.bytes().last() {
            Some(b'K') if sized => 10,
            Some(b'M') if sized => 20,
            Some(b'G') if sized => 30,
            Some(b'T') if sized => 40,
            _ => 0,
        };
        let digits = if shift == 0 { text } else { &text[..text.len() - 1] };
        digits
            .parse::<u64>()
            .ok()
            .filter(|number| *number > 0)
            .and_then(|number| number.checked_mul(1 << shift))
            .map(Some)
            .ok_or_else(|| DriverError::Failed(format!("URL `{}`: {key} is `{text}`, which is not a positive number", self.url)))
    }

    /// A count.
    pub fn count(&mut self, key: &str, default: u32) -> Result<u32, DriverError> {
        let number = self.number(key, false)?.unwrap_or(u64::from(default));
        u32::try_from(number).map_err(|_| DriverError::Failed(format!("URL `{}`: {key} is too large", self.url)))
    }

    /// A size in bytes.
    pub fn bytes(&mut self, key: &str, default: u64) -> Result<u64, DriverError> {
        Ok(self.number(key, true)?.unwrap_or(default))
    }

    /// Says what stands there and means nothing: a misspelt key must not pass as a default.
    pub fn done(self) -> Result<(), DriverError> {
        match self.values.keys().next() {
            Some(key) => Err(DriverError::Failed(format!("URL `{}`: `{key}` is not a key that the simulator knows", self.url))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_simulated;

    #[test]
    fn only_names_of_nobody_are_simulated() {
        for url in
            ["builtin://centos", "http://sim/a", "https://images.sim:8080/a?b", "http://EXAMPLE.org/a", "http://a:b@x.example.com./a"]
        {
            assert!(is_simulated(url), "{url}");
        }
        for url in
            ["http://simple/a", "http://10.0.0.1/sim", "http://example.org.evil.io/a", "http://notexample.com/a", "http://localhost/a"]
        {
            assert!(!is_simulated(url), "{url}");
        }
    }
}
