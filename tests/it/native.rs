//! A client of the native API that signs as CloudStack's documentation says.
use base64::Engine as _;
use hmac::{Hmac, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use sha1::Sha1;
use std::time::{Duration, Instant};

/// What `java.net.URLEncoder` leaves alone, the blank apart.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'*').remove(b'_');

/// A user at the native door.
#[derive(Clone)]
pub struct Native {
    http: reqwest::Client,
    endpoint: String,
    key: String,
    secret: String,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// What stands under the one outer key, or null when it is no JSON.
    pub inner: Value,
    /// The body.
    pub text: String,
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

impl Native {
    pub fn new(endpoint: &str, key: &str, secret: &str) -> Self {
        stratus::tls::install();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(60)).no_proxy().build().unwrap();
        Self { http, endpoint: endpoint.into(), key: key.into(), secret: secret.into() }
    }

    /// The same server for another pair of keys.
    pub fn with_keys(&self, key: &str, secret: &str) -> Self {
        Self { key: key.into(), secret: secret.into(), ..self.clone() }
    }

    /// The signed query of a call.
    pub fn query(&self, command: &str, parameters: &[(&str, &str)]) -> String {
        let mut all = vec![("command", command), ("response", "json"), ("apikey", self.key.as_str())];
        all.extend(parameters);
        let sent: Vec<String> = all.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let mut signed: Vec<String> = all.iter().map(|(name, value)| format!("{name}={}", encode(value)).to_lowercase()).collect();
        signed.sort();
        let mut mac = Hmac::<Sha1>::new_from_slice(self.secret.as_bytes()).unwrap();
        mac.update(signed.join("&").as_bytes());
        let signature = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
        format!("{}&signature={}", sent.join("&"), encode(&signature))
    }

    /// Calls and takes whatever comes; an error only when the server cannot be reached.
    pub async fn call(&self, command: &str, parameters: &[(&str, &str)]) -> reqwest::Result<Answer> {
        let response = self.http.get(format!("{}?{}", self.endpoint, self.query(command, parameters))).send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        let inner = serde_json::from_str::<Value>(&text).ok().and_then(|v| v.as_object()?.values().next().cloned()).unwrap_or_default();
        Ok(Answer { status, inner, text })
    }

    /// Calls and insists on success.
    pub async fn ok(&self, command: &str, parameters: &[(&str, &str)]) -> Value {
        let a = self.call(command, parameters).await.unwrap();
        assert!(a.status == 200, "{command} {parameters:?}: {} {}", a.status, a.text);
        a.inner
    }

    /// The rows of a list.
    pub async fn list(&self, command: &str, key: &str, parameters: &[(&str, &str)]) -> Vec<Value> {
        self.ok(command, parameters).await[key].as_array().cloned().unwrap_or_default()
    }

    /// Waits for the end of a job; its status and result.
    pub async fn wait(&self, job: &str) -> (i64, Value) {
        let since = Instant::now();
        loop {
            let r = self.ok("queryAsyncJobResult", &[("jobid", job)]).await;
            match r["jobstatus"].as_i64() {
                Some(0) => {}
                Some(n) => return (n, r["jobresult"].clone()),
                None => panic!("a job without a status: {r}"),
            }
            assert!(since.elapsed() < Duration::from_secs(120), "job {job} does not end");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Calls an asynchronous command and insists on its success; the job's result.
    pub async fn finished(&self, command: &str, parameters: &[(&str, &str)]) -> Value {
        let started = self.ok(command, parameters).await;
        let (status, result) = self.wait(started["jobid"].as_str().unwrap()).await;
        assert!(status == 1, "{command} {parameters:?}: {result}");
        result
    }

    /// Zone, a ready user template and a small offering: what a deploy needs.
    pub async fn place(&self) -> (String, String, String) {
        let first = |rows: &[Value]| rows.first().and_then(|r| r["id"].as_str()).unwrap_or_default().to_owned();
        let zone = first(&self.list("listZones", "zone", &[]).await);
        let template = first(&self.list("listTemplates", "template", &[("templatefilter", "executable")]).await);
        let offering = first(&self.list("listServiceOfferings", "serviceoffering", &[("name", "m1.small")]).await);
        assert!(!zone.is_empty() && !template.is_empty() && !offering.is_empty(), "zone {zone}, template {template}, offering {offering}");
        (zone, template, offering)
    }
}

#[test]
fn the_signature_of_the_documentation_comes_out() {
    // The example of the CloudStack 4.1 developer's guide: its keys, its parameters, its signature.
    let n = Native::new(
        "",
        "plgWJfZK4gyS3mOMTVmjUVg-X-jlWlnfaUJ9GAbBbf9EdM-kAYMmAiLqzzq1ElZLYq_u38zCm0bewzGUdP66mg",
        "VDaACYb0LV9eNjTetIOElcVQkvJck_J_QljX_FcHRj87ZKiy0z0ty0ZsYBkoXkY9b7eq1EhwJaw7FF3akA3KBQ",
    );
    assert!(n.query("listUsers", &[]).ends_with(&format!("signature={}", encode("TTpdDq/7j/J58XCRHomKoQXEQds="))));
}
