//! A request's parameters as commands see them: names folded, the first value of a repeated name, strict limits.
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;
use stratus_model::{Error, Result};
use stratus_store::Sealer;

/// Parameters in one request at most.
const MOST: usize = 4096;

/// Parameters that no job keeps in the clear.
const SECRETS: [&str; 2] = ["password", "privatekey"];
/// What marks such a value in a job's parameters.
const SEALED: &str = "sealed:";

/// A pair as it was sent, decoded.
pub type Pair = (String, String);

/// Decodes a query string or form body. Bad escapes and bytes that are not UTF-8 are refused.
pub fn decode(text: &str) -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for part in text.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        pairs.push((unescape(name)?, unescape(value)?));
        if pairs.len() > MOST {
            return Err(Error::Malformed(format!("more than {MOST} parameters in one request")));
        }
    }
    Ok(pairs)
}

fn unescape(text: &str) -> Result<String> {
    let spaced = text.replace('+', " ");
    let bytes = spaced.as_bytes();
    let broken =
        bytes.iter().enumerate().any(|(i, b)| *b == b'%' && !bytes.get(i + 1..i + 3).is_some_and(|h| h.iter().all(u8::is_ascii_hexdigit)));
    if broken {
        return Err(Error::Malformed("a percent escape in the request is broken".into()));
    }
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded.map(|t| t.into_owned()).map_err(|_| Error::Malformed("the request is not UTF-8".into()))
}

/// What was given to a command: values by folded name.
#[derive(Debug, Clone, Default)]
pub struct Given {
    values: BTreeMap<String, String>,
    command: String,
}

impl Given {
    /// From decoded pairs in their order: the first value of a name wins; a map's name is folded before its bracket only.
    pub fn new(command: &str, pairs: impl IntoIterator<Item = Pair>) -> Result<Self> {
        let mut values = BTreeMap::new();
        for (name, value) in pairs {
            if value.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
                return Err(Error::invalid(name, "control characters are not taken"));
            }
            values.entry(fold(&name)?).or_insert(value);
        }
        Ok(Self { values, command: command.to_lowercase() })
    }
    /// From a job's saved parameters.
    pub fn from_json(command: &str, json: &str, sealer: &Sealer) -> Result<Self> {
        let mut values: BTreeMap<String, String> = serde_json::from_str(json).map_err(Error::internal)?;
        for name in SECRETS {
            let Some(sealed) = values.get(name).and_then(|v| v.strip_prefix(SEALED)) else { continue };
            let clear = sealer.open(sealed)?;
            values.insert(name.to_owned(), clear);
        }
        Ok(Self { values, command: command.to_lowercase() })
    }
    /// As a job saves them: what is secret sealed, because a job's row stays.
    pub fn to_json(&self, sealer: &Sealer) -> Result<String> {
        let mut kept = self.values.clone();
        for name in SECRETS {
            if let Some(value) = kept.get_mut(name) {
                let sealed = sealer.seal(value.as_str())?;
                *value = format!("{SEALED}{sealed}");
            }
        }
        serde_json::to_string(&kept).map_err(Error::internal)
    }
    /// Takes a value out; an empty one counts as not given.
    pub fn take(&mut self, name: &str) -> Option<String> {
        self.values.remove(name).filter(|v| !v.trim().is_empty())
    }
    /// Reads a value and leaves it there.
    pub fn peek(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }
    /// The error for a required parameter that is not there.
    pub fn missing(&self, name: &str) -> Error {
        Error::Missing { command: self.command.clone(), field: name.into() }
    }
    /// Takes a map parameter, `tags[0].key=…`: its entries by index.
    pub fn take_maps(&mut self, name: &str) -> Result<Vec<BTreeMap<String, String>>> {
        let start = format!("{name}[");
        let keys: Vec<String> =
            self.values.range(start.clone()..).take_while(|(k, _)| k.starts_with(&start)).map(|(k, _)| k.clone()).collect();
        let mut entries: BTreeMap<u32, BTreeMap<String, String>> = BTreeMap::new();
        for key in keys {
            let bad = || Error::Malformed(format!("{key} is not of the form {name}[0].field"));
            let (index, field) = key[start.len()..].split_once("].").ok_or_else(bad)?;
            let index = index.parse().map_err(|_| bad())?;
            if field.is_empty() || field.contains('[') {
                return Err(bad());
            }
            let value = self.values.remove(&key).unwrap_or_default();
            entries.entry(index).or_default().insert(field.to_owned(), value);
        }
        Ok(entries.into_values().collect())
    }
}

fn fold(name: &str) -> Result<String> {
    if name.len() > 512 {
        return Err(Error::Malformed("a parameter's name is longer than 512 bytes".into()));
    }
    Ok(match name.split_once('[') {
        Some((head, tail)) => format!("{}[{tail}", head.to_lowercase()),
        None => name.to_lowercase(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fold_and_the_first_value_wins() {
        let mut g = Given::new("x", decode("TemplateID=a&templateid=b&Tags[0].Key=c").expect("decodes")).expect("given");
        assert_eq!(g.take("templateid").as_deref(), Some("a"));
        let maps = g.take_maps("tags").expect("a map");
        assert_eq!(maps[0]["Key"], "c");
    }

    #[test]
    fn a_job_keeps_secrets_sealed() {
        let sealer = Sealer::new(&[7; 32]);
        let pairs = [("PrivateKey".to_owned(), "-----BEGIN".to_owned()), ("id".to_owned(), "1".to_owned())];
        let kept = Given::new("x", pairs).expect("given").to_json(&sealer).expect("json");
        assert!(!kept.contains("BEGIN") && kept.contains("\"id\":\"1\""), "{kept}");
        let mut g = Given::from_json("x", &kept, &sealer).expect("reads");
        assert_eq!(g.take("privatekey").as_deref(), Some("-----BEGIN"));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        assert!(decode("a=%zz").is_err());
        assert!(decode("a=%ff").is_err());
        assert!(decode(&"a=1&".repeat(5000)).is_err());
        assert!(Given::new("x", [("a".into(), "b\u{1}".into())]).is_err());
        let mut g = Given::new("x", [("tags[a].key".into(), "v".into())]).expect("given");
        assert!(g.take_maps("tags").is_err());
    }
}
