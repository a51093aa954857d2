//! What comes in on the port: EC2 Query on its several paths, and what is not served here, refused in the sender's own shape.
use crate::auth::Arrived;
use crate::door::{Answer, fault_answer};
use crate::mapping::Wire;
use crate::tree::{self, Node};
use crate::{Door, Fault, Names};
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
/// Where it is taken when there is one: clients that cannot be given a path, and other clouds' habits.
const ALSO: &[&str] = &["", "/services/Cloud", "/services/Eucalyptus", "/services/compute"];

/// The door as routes. Whatever it does not serve gets an error in the shape that its sender reads.
pub fn router(door: Arc<Door>) -> Router {
    Router::new().fallback(take).with_state(door)
}

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
    let body = match to_bytes(body, BODY).await {
        Ok(body) => body,
        Err(_) => return refuse(Fault::invalid("body", format!("longer than {BODY} bytes, or it broke off"))),
    };
    let service = whose(path, query, &head.headers, &body);
    let wire = matches!(service, For::Sts).then_some(Wire::Sts);
    match service {
        For::S3 => return s3_refusal(path),
        For::Soap => return soap_refusal(&body),
        For::Nobody => {
            let answer = fault_answer(&Fault::new("InvalidAction", "There is no service here"), uuid::Uuid::new_v4().to_string());
            return respond(Answer { status: 404, ..answer }, "text/xml;charset=UTF-8");
        }
        For::Query | For::Sts => {}
    }
    if !door.engine.settings.flag("enable.ec2.api") {
        let why = "The EC2 API is turned off; an administrator sets enable.ec2.api to true";
        let answer = fault_answer(&Fault::new("ServiceUnavailable", why), uuid::Uuid::new_v4().to_string());
        return respond(Answer { status: 404, ..answer }, "text/xml;charset=UTF-8");
    }
    let method = head.method.as_str();
    if !matches!(method, "GET" | "POST") {
        return refuse(Fault::new("InvalidAction", format!("The method {method} is not taken here; use GET or POST")));
    }
    // In a task of its own: a client that hangs up must not leave a launch or a client token half done.
    let work = tokio::spawn(async move { door.query(Arrived { head, body }, wire).await });
    match work.await {
        Ok(answer) => respond(answer, "text/xml;charset=UTF-8"),
        Err(e) => {
            tracing::error!(error = %e, "an EC2 call panicked");
            refuse(Fault::new("InternalError", "An internal error has occurred"))
        }
    }
}

fn whose(path: &str, query: &str, headers: &HeaderMap, body: &[u8]) -> For {
    let bare = path.strip_suffix('/').unwrap_or(path);
    if bare.starts_with("/awsapi/services/AmazonS3") || bare.starts_with("/awsapi/dime/AmazonS3") {
        return For::S3;
    }
    if is_soap(headers, body) || bare == "/awsapi/services/AmazonEC2" {
        return For::Soap;
    }
    // STS has no path of its own: its one action is known by its name, wherever a client is told to send it.
    if says(query, "Action=GetCallerIdentity") || says(&String::from_utf8_lossy(body), "Action=GetCallerIdentity") {
        return For::Sts;
    }
    if PATHS.contains(&bare) || (ALSO.contains(&bare) && has_action(query, body)) { For::Query } else { For::Nobody }
}

fn is_soap(headers: &HeaderMap, body: &[u8]) -> bool {
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
    respond(fault_answer(&fault, uuid::Uuid::new_v4().to_string()), "text/xml;charset=UTF-8")
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

/// A SOAP 1.1 fault.
fn soap_refusal(body: &[u8]) -> Response {
    let id = uuid::Uuid::new_v4().to_string();
    let why = match body.is_empty() {
        true => "There is no WSDL here yet; use the Query interface",
        false => "The SOAP interface is not served yet; use the Query interface",
    };
    let detail = Node::Fields(vec![tree::text("aws:RequestId", &id)]);
    let fault = Node::Fields(vec![
        tree::text("faultcode", "aws:Client.UnsupportedOperation"),
        tree::text("faultstring", why),
        ("detail".into(), detail),
    ]);
    let fields = vec![("soapenv:Body".into(), Node::Fields(vec![("soapenv:Fault".into(), fault)]))];
    let document = tree::document("soapenv:Envelope", None, &fields, &Names::default());
    // The two namespaces stand on the root.
    let spaces = "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
                  xmlns:aws=\"http://webservices.amazon.com/AWSFault/2005-15-09\">";
    let text = String::from_utf8_lossy(&document).replacen("<soapenv:Envelope>", spaces, 1);
    respond(Answer { status: 500, request_id: id, body: text.into_bytes() }, "text/xml;charset=UTF-8")
}
