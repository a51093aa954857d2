//! Requests of real clients, as captured, through the router with the clock at their time.
use crate::cloud::Cloud;
use axum::body::Body;
use http::Request;
use serde_json::Value;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/wire")
}

/// The clock of an entry in microseconds.
fn clock(entry: &Value) -> i64 {
    let text = entry["clock"].as_str().unwrap();
    let iso = match text.len() {
        16 => format!("{}-{}-{}T{}:{}:{}Z", &text[0..4], &text[4..6], &text[6..8], &text[9..11], &text[11..13], &text[13..15]),
        _ => text.to_owned(),
    };
    stratus_model::parse_date(&iso).unwrap_or_else(|| panic!("a clock {text}"))
}

/// A request file as a request.
pub fn request(bytes: &[u8]) -> Option<Request<Body>> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let mut start = lines.next()?.split(' ');
    let mut request = Request::builder().method(start.next()?).uri(start.next()?);
    for line in lines {
        let (name, value) = line.split_once(':')?;
        request = request.header(name, value.trim());
    }
    request.body(Body::from(bytes[end + 4..].to_vec())).ok()
}

/// The code that a refused capture must get; `None` for one that is to be believed.
fn expected(entry: &Value) -> Option<&'static str> {
    let expect = entry["expect"].as_str().unwrap();
    if expect.starts_with("accept") || expect.starts_with("decide") {
        return None;
    }
    let file = entry["file"].as_str().unwrap();
    let known = [
        "SignatureDoesNotMatch",
        "RequestExpired",
        "InvalidParameterCombination",
        "MissingParameter",
        "AuthFailure",
        "InvalidClientTokenId",
    ];
    Some(match file {
        "synth-neg-sigv1.http" => "InvalidParameterValue",
        "synth-neg-sigv4-host-not-signed.http" => "IncompleteSignature",
        "synth-neg-sigv4-scope-date-mismatch.http" => "SignatureDoesNotMatch",
        _ => known.into_iter().find(|code| expect.split([' ', '/']).any(|w| w == *code)).unwrap_or_else(|| panic!("{file}: {expect}")),
    })
}

#[tokio::test]
async fn captured_requests_are_believed_or_refused_as_they_should_be() {
    let index: Vec<Value> = serde_json::from_slice(&std::fs::read(folder().join("index.json")).unwrap()).unwrap();
    let cloud = Cloud::new().await;
    for entry in &index {
        if let (Some(access), Some(secret)) = (entry["access_key"].as_str(), entry["secret_key"].as_str()) {
            cloud.knows(access, secret).await;
        }
    }
    let signature = [
        "SignatureDoesNotMatch",
        "AuthFailure",
        "RequestExpired",
        "IncompleteSignature",
        "MissingAuthenticationToken",
        "InvalidClientTokenId",
    ];
    let (mut seen, mut faults) = (0, Vec::new());
    for entry in &index {
        let file = entry["file"].as_str().unwrap();
        let auth = entry["auth"].as_str().unwrap();
        if auth.contains("s3") || auth == "soap-wsse" || file.contains("-s3-") {
            continue;
        }
        cloud.clock.set(clock(entry));
        let bytes = std::fs::read(folder().join(file)).unwrap();
        let reply = cloud.send(request(&bytes).unwrap_or_else(|| panic!("{file} is no request"))).await;
        let code = (reply.status != 200).then(|| reply.code().to_owned());
        let right = match expected(entry) {
            Some(wanted) => code.as_deref() == Some(wanted),
            // Believed; what the action then makes of it is another test's.
            None => code.as_deref().is_none_or(|c| !signature.contains(&c) && c != "UnknownParameter" && c != "InternalError"),
        };
        if !right {
            faults.push(format!("{file}: {} instead of {:?}", code.unwrap_or_else(|| "accepted".into()), expected(entry)));
        }
        seen += 1;
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(seen > 50, "{seen}");
}
