//! CORS: which origins a browser may let scripts read a bucket from.
use crate::meta::put;
use crate::request::Request;
use crate::respond::{Answer, empty};
use crate::xml::{Element, Xml};
use crate::{Door, Fault, Outcome};
use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};

const MOST_RULES: usize = 100;
const METHODS: &[&str] = &["GET", "PUT", "HEAD", "POST", "DELETE"];

/// One rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    id: Option<String>,
    origins: Vec<String>,
    methods: Vec<String>,
    headers: Vec<String>,
    expose: Vec<String>,
    max_age: Option<i64>,
}

/// A bucket's rules, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cors(Vec<Rule>);

impl Cors {
    /// From the store.
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
    /// To the store.
    pub fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "[]".into())
    }

    /// From a document.
    pub fn parse(body: &[u8]) -> Outcome<Self> {
        let doc = Element::parse(body, "CORSConfiguration")?;
        let mut rules = Vec::new();
        for e in doc.all("CORSRule") {
            let texts = |name: &str| e.all(name).map(|c| c.text.trim().to_owned()).collect::<Vec<_>>();
            let rule = Rule {
                id: e.value("ID").map(str::to_owned),
                origins: texts("AllowedOrigin"),
                methods: texts("AllowedMethod"),
                headers: texts("AllowedHeader"),
                expose: texts("ExposeHeader"),
                max_age: e.value("MaxAgeSeconds").map(|t| t.parse().map_err(|_| Fault::malformed("MaxAgeSeconds"))).transpose()?,
            };
            if rule.origins.is_empty() || rule.methods.is_empty() {
                return Err(Fault::malformed("a CORSRule needs AllowedOrigin and AllowedMethod"));
            }
            if let Some(m) = rule.methods.iter().find(|m| !METHODS.contains(&m.as_str())) {
                let shown: String = m.chars().take(32).collect();
                return Err(Fault::new(
                    "InvalidRequest",
                    format!("Found unsupported HTTP method in CORS config. Unsupported method is {shown}"),
                ));
            }
            if rule.origins.iter().chain(&rule.headers).any(|t| t.matches('*').count() > 1) {
                return Err(Fault::new("InvalidRequest", "AllowedOrigin and AllowedHeader can not have more than one wildcard."));
            }
            rules.push(rule);
        }
        match rules.len() {
            1..=MOST_RULES => Ok(Self(rules)),
            _ => Err(Fault::malformed("1 to 100 rules")),
        }
    }

    /// The document.
    pub fn document(&self) -> Vec<u8> {
        let mut x = Xml::root("CORSConfiguration");
        for r in &self.0 {
            x.open("CORSRule").maybe("ID", r.id.as_deref());
            for (name, list) in
                [("AllowedHeader", &r.headers), ("AllowedMethod", &r.methods), ("AllowedOrigin", &r.origins), ("ExposeHeader", &r.expose)]
            {
                for v in list {
                    x.text(name, v);
                }
            }
            x.maybe("MaxAgeSeconds", r.max_age.map(|n| n.to_string()).as_deref()).close();
        }
        x.done()
    }

    /// The first rule that lets an origin use a method, with these headers.
    fn rule(&self, origin: &str, method: &str, headers: &[&str]) -> Option<&Rule> {
        self.0.iter().find(|r| {
            r.origins.iter().any(|o| fits(o, origin))
                && r.methods.iter().any(|m| m == method)
                && headers.iter().all(|h| r.headers.iter().any(|a| fits(&a.to_ascii_lowercase(), &h.to_ascii_lowercase())))
        })
    }
}

/// A text with at most one `*`.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((a, b)) => text.len() >= a.len() + b.len() && text.starts_with(a) && text.ends_with(b),
    }
}

fn headers(rule: &Rule, origin: &str, out: &mut HeaderMap) {
    let any = rule.origins.iter().any(|o| o == "*");
    put(out, "access-control-allow-origin", if any { "*" } else { origin });
    put(out, "access-control-allow-methods", &rule.methods.join(", "));
    put(out, "vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
    if !any {
        put(out, "access-control-allow-credentials", "true");
    }
    if !rule.expose.is_empty() {
        put(out, "access-control-expose-headers", &rule.expose.join(", "));
    }
    if let Some(age) = rule.max_age {
        put(out, "access-control-max-age", &age.to_string());
    }
}

/// The answer to OPTIONS, which nobody signs.
pub async fn preflight(door: &Door, r: &Request) -> Outcome<Answer> {
    let origin = r.header("origin");
    let origin = origin.ok_or_else(|| Fault::new("BadRequest", "Insufficient information. Origin request header needed."))?;
    let method = r.header("access-control-request-method");
    let method = method
        .filter(|m| METHODS.contains(m))
        .ok_or_else(|| Fault::new("BadRequest", "Invalid Access-Control-Request-Method: null").with("ResourceType", "OBJECT"))?;
    let forbidden = |why: &str| Fault::new("AccessForbidden", format!("CORSResponse: {why}")).with("Method", method);
    let bucket = door.engine.bucket_named(r.bucket()).await?.ok_or_else(|| forbidden("Bucket not found"))?;
    let cors = bucket.cors.as_deref().map(Cors::read).ok_or_else(|| forbidden("CORS is not enabled for this bucket."))?;
    let asked = r.header("access-control-request-headers").unwrap_or_default();
    let names: Vec<&str> = asked.split(',').map(str::trim).filter(|h| !h.is_empty()).collect();
    let why = "This CORS request is not allowed. This is usually because the evalution of Origin, request method / \
               Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.";
    let rule = cors.rule(origin, method, &names).ok_or_else(|| forbidden(why))?;
    let mut answer = empty(200);
    headers(rule, origin, answer.headers_mut());
    if !names.is_empty() {
        put(answer.headers_mut(), "access-control-allow-headers", &names.join(", "));
    }
    Ok(answer)
}

/// Adds to an answer what lets a browser show it.
pub async fn show(door: &Door, bucket: &str, origin: &str, method: &Method, out: &mut HeaderMap) -> Outcome<()> {
    let bucket = door.engine.bucket_named(bucket).await?;
    if let Some(cors) = bucket.and_then(|b| b.cors).as_deref().map(Cors::read)
        && let Some(rule) = cors.rule(origin, method.as_str(), &[])
    {
        headers(rule, origin, out);
    }
    Ok(())
}
