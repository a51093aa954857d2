//! URLs of hosts and storage, read strictly: what is stored must mean one machine and one path, and must hold no secret.
use std::fmt;
use stratus_model::{Error, Result};

/// A URL in its parts: `nfs://server/export/primary`, `http://sim/c0/h0?cpus=16`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Scheme, lower-case.
    pub scheme: String,
    /// Host without port; empty when there is none.
    pub host: String,
    /// Port, when one is given.
    pub port: Option<u16>,
    /// Path with its leading slash and no trailing one; empty when there is none.
    pub path: String,
    /// What stands behind the question mark.
    pub query: Option<String>,
}

impl Location {
    /// Reads the `url` parameter.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |why: &str| Error::invalid("url", format!("'{}' {why}", shown(text)));
        let text = text.trim();
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(bad("holds blanks or control characters"));
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| bad("is not a URL of the form scheme://host/path"))?;
        let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
        if !scheme_ok {
            return Err(bad("has no scheme before ://"));
        }
        if rest.contains('#') {
            return Err(bad("must not have a fragment"));
        }
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(r, q)| (r, Some(q.to_owned())));
        let (authority, path) = rest.find('/').map_or((rest, ""), |i| rest.split_at(i));
        if authority.contains('@') {
            return Err(bad("must not hold credentials"));
        }
        let (host, port) = split_port(authority).ok_or_else(|| bad("has a host or port that cannot be"))?;
        if path.split('/').any(|part| part == "..") {
            return Err(bad("must not climb with .."));
        }
        let path = path.trim_end_matches('/');
        Ok(Self { scheme: scheme.to_lowercase(), host, port, path: path.to_owned(), query })
    }

    /// The same, when it names a host.
    pub fn of_host(text: &str) -> Result<Self> {
        let a = Self::parse(text)?;
        match a.host.as_str() {
            "" => Err(Error::invalid("url", format!("'{}' names no host", shown(text)))),
            _ => Ok(a),
        }
    }

    /// A name for what is there, made of host and path: `sim-c0-h0`.
    pub fn name(&self) -> String {
        let path: Vec<&str> = self.path.split('/').filter(|p| !p.is_empty()).collect();
        std::iter::once(self.host.as_str()).chain(path).collect::<Vec<_>>().join("-")
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bracket = self.host.contains(':');
        let (open, close) = if bracket { ("[", "]") } else { ("", "") };
        write!(f, "{}://{open}{}{close}", self.scheme, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.path)?;
        match &self.query {
            Some(q) => write!(f, "?{q}"),
            None => Ok(()),
        }
    }
}

/// The text as an error may repeat it: without what could be a password.
fn shown(text: &str) -> String {
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        _ => text.to_owned(),
    }
}

fn split_port(authority: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(v6) => {
            let (host, rest) = v6.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, rest.strip_prefix(':').or(if rest.is_empty() { None } else { Some("?") }))
        }
        None => authority.split_once(':').map_or((authority, None), |(h, p)| (h, Some(p))),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let port = match port {
        Some(p) => Some(p.parse::<u16>().ok().filter(|p| *p > 0)?),
        None => None,
    };
    host.chars().all(plain).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart_and_put_together() {
        for text in ["http://sim/c0/h0", "nfs://10.0.0.1/export/primary", "http://[fd00::1]:8250/x?cpus=16", "sharedmountpoint:///mnt/p"] {
            assert_eq!(Location::parse(text).expect("a URL").to_string(), text);
        }
        assert_eq!(Location::parse("NFS://Server/a/").expect("a URL").to_string(), "nfs://Server/a");
        assert_eq!(Location::parse("http://sim/c0/h0").expect("a URL").name(), "sim-c0-h0");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_repeating_secrets() {
        for text in ["sim/c0/h0", "http//sim", "://sim", "http://a b/", "http://h:99999/", "nfs://h/../x", "nfs://h/a#b", "http://h:/x"] {
            assert!(Location::parse(text).is_err(), "{text}");
        }
        let e = Location::parse("http://root:hunter2@host/").expect_err("credentials").to_string();
        assert!(!e.contains("hunter2"), "{e}");
        assert!(Location::of_host("http:///x").is_err());
    }
}
