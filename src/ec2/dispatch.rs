//! What comes in on the port: EC2 Query on its several paths, and what is not served here, refused in the sender's own shape.
use crate::auth::Arrived;
use crate::door::{Answer, XML, fault_answer};
use crate::mapping::Wire;
use crate::{Door, Fault, Names, soap, tree};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use std::sync::Arc;

/// The longest body: user data of 16 KiB in base64, thrice over, many times.
const BODY: usize = 1 << 20;
/// The longest query string.
const QUERY: usize = 256 * 1024;
/// Where Query is taken without looking for an `Action`.
const PATHS: &[&str] = &["/awsapi", "/awsapi/rest/AmazonEC2"];
/// Where SOAP has its WSDL.
const SOAP_PATHS: &[&str] = &["/awsapi", "/awsapi/services/AmazonEC2"];
/// Where it is taken when there is one: clients that cannot be given a path, and other clouds' habits.
const ALSO: &[&str] = &["", "/services/Cloud", "/services/Eucalyptus", "/services/compute"];

/// The door as routes. Whatever it does not serve gets an error in the shape that its sender reads.
pub fn router(door: Arc<Door>) -> Router {
    Router::new().fallback(take).with_state(door)
}

#[derive(Clone, Copy)]
enum For {
    Query,
    Sts,
    Soap,
    S3,
    Nobody,
}

async fn take(State(door): State<Arc<Door>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
    if query.len() > QUERY {
        return refuse(Fault::invalid("query string", format!("longer than {QUERY} bytes")));
    }
    if let Some(version) = wsdl_asked(path, query) {
        return wsdl(&door, &head, version.as_deref());
    }
    let Ok(body) = to_bytes(body, BODY).await else {
        let fault = Fault::invalid("body", format!("longer than {BODY} bytes, or it broke off"));
        return match is_soap(path, &head.headers, &[]) {
            true => soap_refusal(&fault, head, None),
            false => refuse(fault),
        };
    };
    let taken_for = whose(path, query, &head.headers, &body);
    let method = head.method.as_str();
    let wire = matches!(taken_for, For::Sts).then_some(Wire::Sts);
    match taken_for {
        For::S3 => return s3_refusal(path),
        For::Nobody => {
            let answer = fault_answer(&Fault::new("InvalidAction", "There is no service here"), uuid::Uuid::new_v4().to_string());
            return respond(Answer { status: 404, ..answer }, XML);
        }
        For::Soap if !door.is_on() => return soap_refusal(&off(), head, Some(404)),
        For::Soap if method != "POST" => {
            return soap_refusal(&Fault::new("InvalidAction", "A SOAP message is sent with POST; ?wsdl gives the WSDL"), head, None);
        }
        For::Query | For::Sts if !door.is_on() => {
            return respond(Answer { status: 404, ..fault_answer(&off(), uuid::Uuid::new_v4().to_string()) }, XML);
        }
        For::Query | For::Sts if !matches!(method, "GET" | "POST") => {
            return refuse(Fault::new("InvalidAction", format!("The method {method} is not taken here; use GET or POST")));
        }
        For::Query | For::Sts | For::Soap => {}
    }
    // In a task of its own: a client that hangs up must not leave a launch or a client token half done.
    let work = tokio::spawn(async move {
        match taken_for {
            For::Soap => door.soap(Arrived { head, body }).await,
            _ => door.query(Arrived { head, body }, wire).await,
        }
    });
    match work.await {
        Ok((answer, kind)) => respond(answer, kind),
        Err(e) => {
            tracing::error!(error = %e, "an EC2 call panicked");
            refuse(Fault::new("InternalError", "An internal error has occurred"))
        }
    }
}

fn off() -> Fault {
    Fault::new("ServiceUnavailable", "The EC2 API is turned off; an administrator sets enable.ec2.api to true")
}

/// The version of the WSDL that a request asks for, if it asks for one: `?wsdl`, `?wsdl&version=2010-11-15`, or by a path.
fn wsdl_asked(path: &str, query: &str) -> Option<Option<String>> {
    let bare = path.strip_suffix('/').unwrap_or(path);
    if let Some(version) = bare.strip_prefix("/awsapi/doc/").and_then(|rest| rest.strip_suffix("/AmazonEC2.wsdl")) {
        return Some(Some(version.to_owned()));
    }
    let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let asks = SOAP_PATHS.contains(&bare) && pairs.clone().any(|(name, _)| name.eq_ignore_ascii_case("wsdl"));
    asks.then(|| pairs.find(|(name, _)| name.eq_ignore_ascii_case("version")).map(|(_, version)| version.to_owned()))
}

fn wsdl(door: &Door, head: &http::request::Parts, version: Option<&str>) -> Response {
    if !door.is_on() {
        return respond(Answer { status: 404, ..fault_answer(&off(), uuid::Uuid::new_v4().to_string()) }, XML);
    }
    let header = |name: &str| head.headers.get(name).and_then(|h| h.to_str().ok());
    let scheme = if header("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    let address = format!("{scheme}://{}/awsapi/services/AmazonEC2", header("host").unwrap_or("localhost:7080"));
    let request_id = uuid::Uuid::new_v4().to_string();
    match soap::published(version, &address) {
        Ok(text) => respond(Answer { status: 200, request_id, body: text.into_bytes() }, XML),
        Err(fault) => respond(Answer { status: 404, ..fault_answer(&fault, request_id) }, XML),
    }
}

fn whose(path: &str, query: &str, headers: &HeaderMap, body: &[u8]) -> For {
    let bare = path.strip_suffix('/').unwrap_or(path);
    if bare.starts_with("/awsapi/services/AmazonS3") || bare.starts_with("/awsapi/dime/AmazonS3") {
        return For::S3;
    }
    // A request with an Action is one of Query, whatever its Content-Type says.
    if is_soap(path, headers, body) && !has_action(query, b"") {
        return For::Soap;
    }
    // STS has no path of its own: its one action is known by its name, wherever a client is told to send it.
    if says(query, "Action=GetCallerIdentity") || says(&String::from_utf8_lossy(body), "Action=GetCallerIdentity") {
        return For::Sts;
    }
    if PATHS.contains(&bare) || (ALSO.contains(&bare) && has_action(query, body)) { For::Query } else { For::Nobody }
}

fn is_soap(path: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    if path.strip_suffix('/').unwrap_or(path) == "/awsapi/services/AmazonEC2" {
        return true;
    }
    let kind = headers.get("content-type").and_then(|k| k.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    if kind.starts_with("text/xml") || kind.starts_with("application/soap+xml") || headers.contains_key("soapaction") {
        return true;
    }
    let start = String::from_utf8_lossy(&body[..body.len().min(512)]);
    start.trim_start().starts_with('<') && start.contains("Envelope")
}

fn has_action(query: &str, body: &[u8]) -> bool {
    let there = |text: &str| text.split('&').any(|pair| pair.starts_with("Action="));
    there(query) || there(&String::from_utf8_lossy(body))
}

fn says(text: &str, pair: &str) -> bool {
    text.split('&').any(|p| p == pair)
}

fn refuse(fault: Fault) -> Response {
    respond(fault_answer(&fault, uuid::Uuid::new_v4().to_string()), XML)
}

fn soap_refusal(fault: &Fault, head: http::request::Parts, status: Option<u16>) -> Response {
    let (answer, kind) = soap::refuse(fault, &Arrived { head, body: axum::body::Bytes::new() }, status);
    respond(answer, kind)
}

fn respond(answer: Answer, kind: &'static str) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static(kind));
    headers.insert("cache-control", HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(&answer.request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

/// S3's error document.
fn s3_refusal(path: &str) -> Response {
    let id = uuid::Uuid::new_v4().to_string();
    let fields = vec![
        tree::text("Code", "NotImplemented"),
        tree::text("Message", "S3 has no SOAP interface here; use REST at /awsapi/rest/AmazonS3"),
        tree::text("Resource", path),
        tree::text("RequestId", &id),
    ];
    let body = tree::document("Error", None, &fields, &Names::default());
    respond(Answer { status: 501, request_id: id, body }, "application/xml")
}
