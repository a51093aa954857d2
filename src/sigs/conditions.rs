//! What a policy lets a form upload do.

use crate::clock;
use crate::policy::field;
use crate::refusal::{Reason, Refusal};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use std::ops::RangeInclusive;

/// Fields a policy need not name: the proof itself, and the file.
const FREE: &[&str] = &["awsaccesskeyid", "file", "policy", "signature", "x-amz-signature"];

/// A form upload, as far as it is known before the file is read.
#[derive(Clone, Copy, Debug)]
pub struct Form<'a> {
    /// all fields but the file, in order
    pub fields: &'a [(String, String)],
    /// the bucket the form is sent to
    pub bucket: &'a str,
    /// the name the sender gave the file; may be empty
    pub filename: &'a str,
}

impl Form<'_> {
    /// The object's key: the field `key` with `${filename}` replaced.
    ///
    /// # Errors
    /// [`Reason::InvalidParameter`] without the field.
    pub fn key(&self) -> Result<String, Refusal> {
        let key = field(self.fields, "key")?.filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| Refusal::of(Reason::InvalidParameter, "key", "missing"))?;
        Ok(key.replace("${filename}", self.filename))
    }

    /// What a condition on a field is compared with.
    fn value(&self, name: &str) -> Result<Option<String>, Refusal> {
        match name {
            "key" => self.key().map(Some),
            "bucket" => Ok(Some(self.bucket.to_owned())),
            _ => Ok(field(self.fields, name)?.map(str::to_owned)),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    Equals(String, String),
    StartsWith(String, String),
}

/// A policy: when it ends and what it asks of a form. Field names are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    expiration: i64,
    conditions: Vec<Condition>,
    length: RangeInclusive<u64>,
}

impl Policy {
    /// Reads the base64 text of the field `policy`.
    ///
    /// # Errors
    /// [`Reason::InvalidParameter`] for anything that is not a policy, an unknown condition included.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        // Some clients break the lines of the text; the signature is over the text with the breaks.
        let packed: String = text.split_ascii_whitespace().collect();
        let json = STANDARD.decode(packed).map_err(|_| bad("not base64"))?;
        let json: Value = serde_json::from_slice(&json).map_err(|_| bad("not JSON"))?;
        let expiration = json.get("expiration").and_then(Value::as_str).and_then(clock::extended);
        let mut policy =
            Self { expiration: expiration.ok_or_else(|| bad("has no expiration"))?, conditions: Vec::new(), length: 0..=u64::MAX };
        let listed = json.get("conditions").and_then(Value::as_array).ok_or_else(|| bad("has no conditions"))?;
        for condition in listed {
            policy.add(condition).ok_or_else(|| bad("has a condition nobody can read"))?;
        }
        Ok(policy)
    }

    /// When it ends, in microseconds since the epoch.
    #[must_use]
    pub const fn expiration(&self) -> i64 {
        self.expiration
    }

    /// How long the file may be, in bytes; the door holds it while it reads.
    #[must_use]
    pub const fn length(&self) -> &RangeInclusive<u64> {
        &self.length
    }

    /// Checks every condition against the form, and that no field stands in the form that the policy does not name.
    ///
    /// # Errors
    /// [`Reason::PolicyBroken`] naming the field.
    pub fn check(&self, form: &Form<'_>) -> Result<(), Refusal> {
        let broken = |name: &str, why: &str| Refusal::of(Reason::PolicyBroken, name, why);
        for condition in &self.conditions {
            let (name, holds) = match condition {
                Condition::Equals(name, wanted) => (name, form.value(name)?.is_some_and(|v| v == *wanted)),
                Condition::StartsWith(name, wanted) => (name, form.value(name)?.is_some_and(|v| v.starts_with(wanted))),
            };
            if !holds {
                return Err(broken(name, "not as the policy asks"));
            }
        }
        for (name, _) in form.fields {
            let name = name.to_ascii_lowercase();
            let free = FREE.contains(&name.as_str()) || name.starts_with("x-ignore-");
            if !free && !self.names(&name) {
                return Err(broken(&name, "not named in the policy"));
            }
        }
        Ok(())
    }

    fn names(&self, wanted: &str) -> bool {
        self.conditions.iter().any(|c| match c {
            Condition::Equals(name, _) | Condition::StartsWith(name, _) => name == wanted,
        })
    }

    /// `{"field": "value"}`, `["eq" | "starts-with", "$field", "value"]` or `["content-length-range", low, high]`.
    fn add(&mut self, condition: &Value) -> Option<()> {
        match condition {
            Value::Object(map) => {
                for (name, value) in map {
                    let equal = Condition::Equals(name.to_ascii_lowercase(), value.as_str()?.to_owned());
                    self.conditions.push(equal);
                }
            }
            Value::Array(parts) => {
                let [word, a, b] = parts.as_slice() else { return None };
                let word = word.as_str()?.to_ascii_lowercase();
                if word == "content-length-range" {
                    let (low, high) = (number(a)?.max(*self.length.start()), number(b)?.min(*self.length.end()));
                    self.length = low..=high;
                    return Some(());
                }
                let name = a.as_str()?.strip_prefix('$')?.to_ascii_lowercase();
                let value = b.as_str()?.to_owned();
                self.conditions.push(match word.as_str() {
                    "eq" => Condition::Equals(name, value),
                    "starts-with" => Condition::StartsWith(name, value),
                    _ => return None,
                });
            }
            _ => return None,
        }
        Some(())
    }
}

/// A number, or a text of digits as old clients write it.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn bad(why: &str) -> Refusal {
    Refusal::of(Reason::InvalidParameter, "policy", why)
}
