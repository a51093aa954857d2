//! Bucket policies: read once when they are set, so that nothing in them is unknown, and asked with each request.
//!
//! An explicit deny counts first, then an allow; what a policy does not speak of is left to ownership and ACLs.
use crate::{Fault, Outcome};
use ipnet::IpNet;
use serde_json::{Map, Value};
use stratus_model::Caller;

/// The longest policy, as S3 has it.
pub const LIMIT: usize = 20 * 1024;

const OPERATORS: &[&str] = &[
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnNotEquals",
    "ArnLike",
    "ArnNotLike",
    "Null",
];
/// The short names of old policies.
const SHORT: &[(&str, &str)] = &[
    ("streq", "StringEquals"),
    ("strneq", "StringNotEquals"),
    ("streqi", "StringEqualsIgnoreCase"),
    ("strneqi", "StringNotEqualsIgnoreCase"),
    ("strl", "StringLike"),
    ("strnl", "StringNotLike"),
    ("numeq", "NumericEquals"),
    ("numneq", "NumericNotEquals"),
    ("numlt", "NumericLessThan"),
    ("numlteq", "NumericLessThanEquals"),
    ("numgt", "NumericGreaterThan"),
    ("numgteq", "NumericGreaterThanEquals"),
    ("dateeq", "DateEquals"),
    ("dateneq", "DateNotEquals"),
    ("datelt", "DateLessThan"),
    ("datelteq", "DateLessThanEquals"),
    ("dategt", "DateGreaterThan"),
    ("dategteq", "DateGreaterThanEquals"),
];
/// Keys of conditions that have a value here; `s3:ExistingObjectTag/…`, `s3:RequestObjectTag/…` and `s3:x-amz-…` besides.
const KEYS: &[&str] = &[
    "aws:currenttime",
    "aws:epochtime",
    "aws:securetransport",
    "aws:sourceip",
    "aws:useragent",
    "aws:referer",
    "aws:username",
    "aws:userid",
    "aws:principaltype",
    "s3:prefix",
    "s3:delimiter",
    "s3:max-keys",
    "s3:versionid",
    "s3:locationconstraint",
    "s3:authtype",
    "s3:signatureversion",
];

/// What a policy says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Allow,
    /// It must not, whatever else lets it.
    Deny,
    /// Nothing.
    Silent,
}

/// A request as policies see it.
pub struct Ask<'a> {
    /// `s3:GetObject`.
    pub action: &'a str,
    /// `bucket` or `bucket/key`.
    pub resource: &'a str,
    /// Who; nobody for an anonymous request.
    pub who: Option<&'a Caller>,
    /// The values of condition keys, names in lower case; a key without a value is not there.
    pub value: &'a dyn Fn(&str) -> Option<String>,
}

#[derive(Debug, Clone)]
struct Condition {
    operator: &'static str,
    key: String,
    wanted: Vec<String>,
    if_exists: bool,
}

#[derive(Debug, Clone)]
struct Statement {
    allow: bool,
    principals: Vec<String>,
    not_principals: bool,
    actions: Vec<String>,
    not_actions: bool,
    resources: Vec<String>,
    not_resources: bool,
    conditions: Vec<Condition>,
}

/// A policy that was read.
#[derive(Debug, Clone)]
pub struct Policy(Vec<Statement>);

fn malformed(why: impl Into<String>) -> Fault {
    Fault::new("MalformedPolicy", why.into())
}

fn texts(v: &Value) -> Outcome<Vec<String>> {
    let one = |v: &Value| match v {
        Value::String(s) => Ok(s.clone()),
        Value::Number(n) => Ok(n.to_string()),
        Value::Bool(b) => Ok(b.to_string()),
        _ => Err(malformed("A value must be a text or a list of texts")),
    };
    match v {
        Value::Array(a) => a.iter().map(one).collect(),
        v => Ok(vec![one(v)?]),
    }
}

impl Policy {
    /// Reads a policy for a bucket; everything in it must be understood.
    pub fn parse(text: &str, bucket: &str) -> Outcome<Self> {
        if text.len() > LIMIT {
            return Err(Fault::new("PolicyTooLarge", "Policy exceeds the maximum allowed document size."));
        }
        let bad_json = |_| malformed("This policy contains invalid Json");
        let doc: Value = serde_json::from_str(text).map_err(bad_json)?;
        let doc = doc.as_object().ok_or_else(|| malformed("Policies must be valid JSON and the first byte must be '{'"))?;
        if let Some(k) = doc.keys().find(|k| !["Version", "Id", "Statement"].contains(&k.as_str())) {
            return Err(malformed(format!("Unknown field {}", shown(k))));
        }
        if let Some(v) = doc.get("Version")
            && !matches!(v.as_str(), Some("2008-10-17" | "2012-10-17"))
        {
            return Err(malformed("The policy must contain a valid version string"));
        }
        let statements = match doc.get("Statement") {
            Some(Value::Array(a)) => a.iter().collect(),
            Some(one @ Value::Object(_)) => vec![one],
            _ => return Err(malformed("Missing required field Statement")),
        };
        if statements.is_empty() {
            return Err(malformed("Could not parse the policy: Statement is empty!"));
        }
        statements.into_iter().map(|s| Statement::parse(s, bucket)).collect::<Outcome<_>>().map(Self)
    }

    /// What it says.
    pub fn verdict(&self, ask: &Ask<'_>) -> Verdict {
        let mut verdict = Verdict::Silent;
        for s in self.0.iter().filter(|s| s.fits(ask)) {
            if !s.allow {
                return Verdict::Deny;
            }
            verdict = Verdict::Allow;
        }
        verdict
    }

    /// Whether it lets everybody do something.
    pub fn is_public(&self) -> bool {
        self.0.iter().any(|s| s.allow && s.conditions.is_empty() && (s.not_principals || s.principals.iter().any(|p| p == "*")))
    }
}

impl Statement {
    fn parse(v: &Value, bucket: &str) -> Outcome<Self> {
        let s = v.as_object().ok_or_else(|| malformed("A statement must be an object"))?;
        const KNOWN: &[&str] =
            &["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
        if let Some(k) = s.keys().find(|k| !KNOWN.contains(&k.as_str())) {
            return Err(malformed(format!("Unknown field {}", shown(k))));
        }
        let allow = match s.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err(malformed("Invalid effect: use Allow or Deny")),
        };
        let (principals, not_principals) = either(s, "Principal", "NotPrincipal")?;
        let (actions, not_actions) = either(s, "Action", "NotAction")?;
        let (resources, not_resources) = either(s, "Resource", "NotResource")?;
        let (actions, resources) = (texts(actions)?, texts(resources)?);
        if actions.is_empty() || resources.is_empty() {
            return Err(malformed("Action and Resource must not be empty"));
        }
        for a in &actions {
            if a != "*" && !a.to_ascii_lowercase().starts_with("s3:") {
                return Err(malformed(format!("Policy has invalid action {}", shown(a))));
            }
        }
        let resources = resources.iter().map(|r| resource(r, bucket)).collect::<Outcome<_>>()?;
        let conditions = match s.get("Condition") {
            None => Vec::new(),
            Some(c) => conditions(c)?,
        };
        let principals = principals_of(principals)?;
        Ok(Self { allow, principals, not_principals, actions, not_actions, resources, not_resources, conditions })
    }

    fn fits(&self, ask: &Ask<'_>) -> bool {
        let principal = self.principals.iter().any(|p| principal_fits(p, ask.who));
        let action = self.actions.iter().any(|a| like(&a.to_ascii_lowercase(), &ask.action.to_ascii_lowercase()));
        let resource = self.resources.iter().any(|r| like(r, ask.resource));
        principal != self.not_principals
            && action != self.not_actions
            && resource != self.not_resources
            && self.conditions.iter().all(|c| c.holds((ask.value)(&c.key)))
    }
}

fn either<'a>(s: &'a Map<String, Value>, yes: &str, no: &str) -> Outcome<(&'a Value, bool)> {
    match (s.get(yes), s.get(no)) {
        (Some(v), None) => Ok((v, false)),
        (None, Some(v)) => Ok((v, true)),
        (None, None) => Err(malformed(format!("Missing required field {yes}"))),
        (Some(_), Some(_)) => Err(malformed(format!("{yes} and {no} exclude each other"))),
    }
}

fn principals_of(v: &Value) -> Outcome<Vec<String>> {
    match v {
        Value::String(s) if s == "*" => Ok(vec!["*".into()]),
        Value::Object(map) if !map.is_empty() => {
            let mut all = Vec::new();
            for (kind, v) in map {
                if !matches!(kind.as_str(), "AWS" | "CanonicalUser") {
                    return Err(malformed(format!("Invalid principal in policy: {}", shown(kind))));
                }
                all.extend(texts(v)?);
            }
            Ok(all)
        }
        _ => Err(malformed("Invalid principal in policy")),
    }
}

/// A principal is `*`, a canonical id, an account's uuid or name, or an ARN of an account's root or of a user.
fn principal_fits(p: &str, who: Option<&Caller>) -> bool {
    if p == "*" {
        return true;
    }
    let Some(c) = who else { return false };
    let account = |text: &str| {
        let plain = c.account_uuid.replace('-', "");
        text == c.account_uuid || text == plain || text == c.account_name || text == crate::text::canonical(&c.account_uuid)
    };
    let Some(arn) = p.strip_prefix("arn:aws:iam::") else { return account(p) };
    match arn.split_once(':') {
        Some((a, "root")) => account(a),
        Some((a, rest)) => rest.strip_prefix("user/").is_some_and(|u| account(a) && (u == c.username || u == c.user_uuid)),
        None => false,
    }
}

fn resource(text: &str, bucket: &str) -> Outcome<String> {
    let wrong = || malformed("Policy has invalid resource");
    let rest = if text == "*" { return Ok(format!("{bucket}*")) } else { text.strip_prefix("arn:aws:s3:::").ok_or_else(wrong)? };
    let name = rest.split('/').next().unwrap_or_default();
    if !like(name, bucket) {
        return Err(wrong());
    }
    Ok(rest.to_owned())
}

fn conditions(v: &Value) -> Outcome<Vec<Condition>> {
    let map = v.as_object().ok_or_else(|| malformed("Condition must be an object"))?;
    let mut found = Vec::new();
    for (operator, keys) in map {
        let name = operator.strip_prefix("ForAnyValue:").unwrap_or(operator);
        let (name, if_exists) = name.strip_suffix("IfExists").map_or((name, false), |n| (n, true));
        let name = SHORT.iter().find(|(s, _)| s.eq_ignore_ascii_case(name)).map_or(name, |(_, long)| long);
        let known = OPERATORS.iter().find(|o| **o == name);
        let operator = *known.ok_or_else(|| malformed(format!("Invalid Condition type : {}", shown(operator))))?;
        for (key, wanted) in keys.as_object().ok_or_else(|| malformed("A condition must be an object"))? {
            let key = key.to_ascii_lowercase();
            let prefixed = ["s3:existingobjecttag/", "s3:requestobjecttag/", "s3:x-amz-"].iter().any(|p| key.starts_with(p));
            if !prefixed && !KEYS.contains(&key.as_str()) {
                return Err(malformed(format!("Policy has an invalid condition key: {}", shown(&key))));
            }
            let wanted = texts(wanted)?;
            for w in &wanted {
                readable(operator, w)?;
            }
            found.push(Condition { operator, key, wanted, if_exists });
        }
    }
    Ok(found)
}

/// That a wanted value is one that the operator can compare with.
fn readable(operator: &str, w: &str) -> Outcome<()> {
    let fine = match operator {
        o if o.starts_with("Numeric") => w.parse::<f64>().is_ok(),
        o if o.starts_with("Date") => date(w).is_some(),
        "IpAddress" | "NotIpAddress" => net(w).is_some(),
        "Bool" | "Null" => matches!(w, "true" | "false"),
        _ => true,
    };
    if fine { Ok(()) } else { Err(malformed(format!("Invalid value for {operator}: {}", shown(w)))) }
}

fn date(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().or_else(|| text.parse::<jiff::Timestamp>().ok().map(|t| t.as_millisecond() as f64 / 1000.0)).or_else(|| {
        let day = text.parse::<jiff::civil::Date>().ok()?;
        Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second() as f64)
    })
}

fn net(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from))
}

impl Condition {
    fn holds(&self, value: Option<String>) -> bool {
        if self.operator == "Null" {
            return self.wanted.iter().any(|w| (w == "true") == value.is_none());
        }
        let Some(value) = value else {
            return self.if_exists || self.operator.contains("Not");
        };
        let any = |fits: &dyn Fn(&str) -> bool| self.wanted.iter().any(|w| fits(w));
        let number =
            |fits: fn(f64, f64) -> bool| any(&|w| value.parse::<f64>().ok().zip(w.parse::<f64>().ok()).is_some_and(|(v, w)| fits(v, w)));
        let moment = |fits: fn(f64, f64) -> bool| any(&|w| date(&value).zip(date(w)).is_some_and(|(v, w)| fits(v, w)));
        let inside = || any(&|w| value.parse().ok().zip(net(w)).is_some_and(|(ip, net): (std::net::IpAddr, _)| net.contains(&ip)));
        match self.operator {
            "StringEquals" => any(&|w| value == w),
            "StringNotEquals" => !any(&|w| value == w),
            "StringEqualsIgnoreCase" => any(&|w| value.eq_ignore_ascii_case(w)),
            "StringNotEqualsIgnoreCase" => !any(&|w| value.eq_ignore_ascii_case(w)),
            "StringLike" | "ArnEquals" | "ArnLike" => any(&|w| like(w, &value)),
            "StringNotLike" | "ArnNotEquals" | "ArnNotLike" => !any(&|w| like(w, &value)),
            "NumericEquals" => number(|v, w| v == w),
            "NumericNotEquals" => !number(|v, w| v == w),
            "NumericLessThan" => number(|v, w| v < w),
            "NumericLessThanEquals" => number(|v, w| v <= w),
            "NumericGreaterThan" => number(|v, w| v > w),
            "NumericGreaterThanEquals" => number(|v, w| v >= w),
            "DateEquals" => moment(|v, w| v == w),
            "DateNotEquals" => !moment(|v, w| v == w),
            "DateLessThan" => moment(|v, w| v < w),
            "DateLessThanEquals" => moment(|v, w| v <= w),
            "DateGreaterThan" => moment(|v, w| v > w),
            "DateGreaterThanEquals" => moment(|v, w| v >= w),
            "Bool" => any(&|w| value.eq_ignore_ascii_case(w)),
            "IpAddress" => inside(),
            "NotIpAddress" => !inside(),
            _ => false,
        }
    }
}

/// `*` is any text, `?` any character. Takes time proportional to the two lengths multiplied at the very worst.
fn like(pattern: &str, text: &str) -> bool {
    let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut i, mut j, mut star) = (0, 0, None);
    while j < t.len() {
        if i < p.len() && p[i] == '*' {
            star = Some((i, j));
            i += 1;
        } else if i < p.len() && (p[i] == '?' || p[i] == t[j]) {
            i += 1;
            j += 1;
        } else if let Some((si, sj)) = star {
            star = Some((si, sj + 1));
            i = si + 1;
            j = sj + 1;
        } else {
            return false;
        }
    }
    p[i..].iter().all(|c| *c == '*')
}

fn shown(text: &str) -> String {
    text.chars().take(64).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(policy: &str, action: &str, resource: &str, values: &[(&str, &str)]) -> Verdict {
        let value = |k: &str| values.iter().find(|(n, _)| *n == k).map(|(_, v)| (*v).to_owned());
        Policy::parse(policy, "b").expect("a policy").verdict(&Ask { action, resource, who: None, value: &value })
    }

    fn one(effect: &str, action: &str, resource: &str, condition: &str) -> String {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}","Principal":"*","Action":"{action}","Resource":"arn:aws:s3:::{resource}"{condition}}}]}}"#
        )
    }

    #[test]
    fn a_statement_fits_action_and_resource() {
        let p = one("Allow", "s3:Get*", "b/pub/*", "");
        assert_eq!(ask(&p, "s3:GetObject", "b/pub/x/y", &[]), Verdict::Allow);
        assert_eq!(ask(&p, "s3:GetObject", "b/priv", &[]), Verdict::Silent);
        assert_eq!(ask(&p, "s3:PutObject", "b/pub/x", &[]), Verdict::Silent);
        assert_eq!(ask(&one("Deny", "s3:*", "b*", ""), "s3:PutObject", "b/k", &[]), Verdict::Deny);
    }

    #[test]
    fn conditions_hold_or_do_not() {
        let with = |op: &str, key: &str, v: &str| one("Allow", "s3:*", "b*", &format!(r#","Condition":{{"{op}":{{"{key}":"{v}"}}}}"#));
        for (op, key, wanted, given, holds) in [
            ("IpAddress", "aws:SourceIp", "10.0.0.0/8", Some("10.1.2.3"), true),
            ("IpAddress", "aws:SourceIp", "10.0.0.0/8", Some("11.1.2.3"), false),
            ("NotIpAddress", "aws:SourceIp", "10.0.0.0/8", Some("11.1.2.3"), true),
            ("StringLike", "s3:prefix", "home/*", Some("home/x"), true),
            ("StringLike", "s3:prefix", "home/*", None, false),
            ("StringLikeIfExists", "s3:prefix", "home/*", None, true),
            ("Null", "s3:prefix", "true", None, true),
            ("streq", "s3:x-amz-acl", "public-read", Some("public-read"), true),
            ("StringNotEquals", "s3:x-amz-acl", "public-read", None, true),
            ("NumericLessThanEquals", "s3:max-keys", "10", Some("10"), true),
            ("DateGreaterThan", "aws:CurrentTime", "2020-01-01T00:00:00Z", Some("2026-01-01T00:00:00Z"), true),
            ("Bool", "aws:SecureTransport", "true", Some("false"), false),
            ("ForAnyValue:StringEquals", "s3:ExistingObjectTag/a", "b", Some("b"), true),
        ] {
            let key_lower = key.to_ascii_lowercase();
            let values: Vec<(&str, &str)> = given.map(|g| (key_lower.as_str(), g)).into_iter().collect();
            let verdict = ask(&with(op, key, wanted), "s3:GetObject", "b/k", &values);
            assert_eq!(verdict == Verdict::Allow, holds, "{op} {key} {wanted} {given:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"Statement":[]}"#,
            r#"{"Version":"1","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b"}]}"#,
            &one("Perhaps", "s3:*", "b", ""),
            &one("Allow", "ec2:*", "b", ""),
            &one("Allow", "s3:*", "other/*", ""),
            &one("Allow", "s3:*", "b", r#","Condition":{"StringMaybe":{"s3:prefix":"x"}}"#),
            &one("Allow", "s3:*", "b", r#","Condition":{"StringEquals":{"aws:unheard":"x"}}"#),
            &one("Allow", "s3:*", "b", r#","Condition":{"IpAddress":{"aws:SourceIp":"x"}}"#),
            &one("Allow", "s3:*", "b", r#","Other":1"#),
        ] {
            assert_eq!(Policy::parse(bad, "b").map(drop).map_err(|f| f.code), Err("MalformedPolicy"), "{bad}");
        }
    }

    #[test]
    fn wildcards_match_as_written() {
        assert!(like("a*c", "abbc") && like("*", "") && like("a?c", "abc") && like("**b*", "ab"));
        assert!(!like("a?c", "ac") && !like("", "a") && !like("a*d", "abc"));
        assert!(!like(&"*a".repeat(50), &"a".repeat(40)));
    }
}
