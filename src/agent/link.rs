//! Links to objects on stores that the server keeps: a path that is good for one object, one way and a short time, because it is
//! signed. All servers of a farm sign alike, with a key that comes of their authority's.
use crate::ca::CaError;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use stratus_files::keep::plain;

/// How long after it was made a link opens anything; a transfer that has begun may take longer.
pub const LIFE: Duration = Duration::from_secs(600);
/// The path before the store's name.
const ROOT: &str = "/images/";
/// What the key is for, so that it is no other's.
const PURPOSE: &[u8] = b"stratus: links to images, 1";

/// Which way an object goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the store: GET.
    Out,
    /// To the store: PUT.
    In,
}

impl Way {
    fn method(self) -> &'static str {
        match self {
            Self::Out => "GET",
            Self::In => "PUT",
        }
    }
}

/// What a link is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Which way.
    pub way: Way,
    /// The store's uuid.
    pub store: String,
    /// The object's name.
    pub object: String,
    /// Bytes at most, on the way in.
    pub most: u64,
    /// The errand that it was made for, which ends with the call that waits for it.
    pub errand: u64,
    /// The server that waits.
    pub server: String,
}

/// Makes links and knows them again.
#[derive(Clone)]
pub struct Links([u8; 32]);

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Links(…)")
    }
}

fn keyed(key: &[u8]) -> Result<Hmac<Sha256>, CaError> {
    Hmac::new_from_slice(key).map_err(CaError::of)
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

impl Links {
    /// Links signed with a key that comes of a secret.
    pub(crate) fn of(secret: &[u8]) -> Result<Self, CaError> {
        Ok(Self(keyed(secret)?.chain_update(PURPOSE).finalize().into_bytes().into()))
    }

    /// Everything that is signed; names hold no line ends.
    fn signer(&self, g: &Grant, expires: u64) -> Result<Hmac<Sha256>, CaError> {
        let Grant { store, object, most, errand, server, .. } = g;
        let text = format!("{}\n{store}\n{object}\n{expires}\n{most}\n{errand}\n{server}", g.way.method());
        Ok(keyed(&self.0)?.chain_update(text))
    }

    /// The path and query for a grant, good for [`LIFE`].
    ///
    /// # Errors
    /// A name cannot be part of a path.
    pub fn make(&self, g: &Grant, now: SystemTime) -> Result<String, CaError> {
        for name in [&g.store, &g.object, &g.server] {
            plain("a part of a link", name).map_err(CaError::of)?;
        }
        let expires = seconds(now + LIFE);
        let signature: String = self.signer(g, expires)?.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
        let Grant { store, object, most, errand, server, .. } = g;
        Ok(format!("{ROOT}{store}/{object}?expires={expires}&most={most}&errand={errand}&server={server}&signature={signature}"))
    }

    /// What a link is for, if it is one of ours that is still good for this method; else why not.
    ///
    /// # Errors
    /// A sentence for the log of whoever asked.
    pub fn open(&self, method: &str, path: &str, query: &str, now: SystemTime) -> Result<Grant, &'static str> {
        let no_link = "this is no link to an image";
        let (store, object) = path.strip_prefix(ROOT).and_then(|rest| rest.split_once('/')).ok_or(no_link)?;
        if [store, object].iter().any(|name| plain("", name).is_err()) {
            return Err(no_link);
        }
        let value = |name: &str| {
            let mut found = query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(n, _)| *n == name);
            found.next().filter(|_| found.next().is_none()).map(|(_, value)| value).ok_or(no_link)
        };
        let number = |name| value(name)?.parse::<u64>().map_err(|_| no_link);
        let way = match method {
            "GET" => Way::Out,
            "PUT" => Way::In,
            _ => return Err("images are read with GET and written with PUT"),
        };
        let (expires, most, errand) = (number("expires")?, number("most")?, number("errand")?);
        let grant = Grant { way, store: store.into(), object: object.into(), most, errand, server: value("server")?.into() };
        let signature = bytes(value("signature")?).ok_or(no_link)?;
        // In constant time.
        let signed = self.signer(&grant, expires).map_err(|_| no_link)?.verify_slice(&signature);
        signed.map_err(|_| "the link's signature is not good for this method and object")?;
        if expires < seconds(now) { Err("the link has expired") } else { Ok(grant) }
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes().chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
    digits.collect::<Option<Vec<u8>>>().filter(|all| all.len() == 32 && hex.len() == 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_opens_what_it_was_made_for_and_nothing_else() {
        let links = Links::of(b"secret").expect("a key");
        let (store, object, server) = ("s1".to_owned(), "o1".to_owned(), "one".to_owned());
        let grant = Grant { way: Way::In, store, object, most: 5, errand: 7, server };
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let link = links.make(&grant, now).expect("a link");
        let (path, query) = link.split_once('?').expect("a query");
        assert_eq!(links.open("PUT", path, query, now + LIFE), Ok(grant.clone()));
        let late = now + LIFE + Duration::from_secs(1);
        let again = format!("{query}&expires=9999999999");
        let longer = query.replace("expires=1000600", "expires=1000601");
        let larger = query.replace("most=5", "most=6");
        let forged = format!("{}0", &query[..query.len() - 1]).replace("signature=0", "signature=1");
        let refused = [
            ("PUT", path, query, late),
            ("GET", path, query, now),
            ("DELETE", path, query, now),
            ("PUT", "/images/s1/o2", query, now),
            ("PUT", "/images/s2/o1", query, now),
            ("PUT", "/images/s1/../o1", query, now),
            ("PUT", "/images/s1", query, now),
            ("PUT", path, &again, now),
            ("PUT", path, &longer, now),
            ("PUT", path, &larger, now),
            ("PUT", path, "", now),
        ];
        for (method, path, query, at) in refused {
            assert!(links.open(method, path, query, at).is_err(), "{method} {path}?{query}");
        }
        assert_eq!(links.open("PUT", path, &forged, now).is_err(), forged != query);
        assert!(Links::of(b"other").expect("a key").open("PUT", path, query, now).is_err());
        for bad in ["..", "a/b", "a\nb", ""] {
            assert!(links.make(&Grant { object: bad.into(), ..grant.clone() }, now).is_err(), "{bad:?}");
        }
    }
}
