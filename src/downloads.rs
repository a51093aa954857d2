//! What `extractTemplate` and its like gave an address to, served on the native port: whoever has the address may fetch.
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use stratus_drivers::ObjectReader;
use stratus_engine::{Engine, extract};
use tokio::io::AsyncReadExt;

/// Bytes read at a time.
const PART: usize = 128 << 10;

/// The door of downloads.
pub fn router(engine: &Arc<Engine>) -> Router {
    Router::new().route(&format!("{}{{name}}", extract::PATH), get(fetch)).with_state(engine.clone())
}

/// Where clients reach the native port: the bound address, or the setting `host` for a server that listens on all of its addresses.
pub fn public_url(at: SocketAddr, host: Option<&str>) -> String {
    match host.map(str::trim).filter(|h| at.ip().is_unspecified() && !h.is_empty()) {
        Some(host) => match host.parse::<IpAddr>() {
            Ok(ip) => format!("http://{}", SocketAddr::new(ip, at.port())),
            Err(_) => format!("http://{host}:{}", at.port()),
        },
        None => format!("http://{at}"),
    }
}

async fn fetch(State(engine): State<Arc<Engine>>, Path(name): Path<String>) -> Response {
    match engine.download_open(&name).await {
        Ok(Some((download, reader))) => sent(&download.file_name, reader),
        Ok(None) => (StatusCode::NOT_FOUND, "There is no such download, or its time is over.\n").into_response(),
        Err(e) => {
            tracing::warn!(error = %e, "a download could not be served");
            (StatusCode::SERVICE_UNAVAILABLE, "The download cannot be served now; try again later.\n").into_response()
        }
    }
}

/// The bytes as they are read; a store that fails in the middle breaks the connection off, so that nobody takes a part for the whole.
fn sent(file_name: &str, reader: ObjectReader) -> Response {
    let bytes = reader.bytes;
    let parts = futures::stream::unfold(reader.body, |mut body| async move {
        let mut part = vec![0; PART];
        match body.read(&mut part).await {
            Ok(0) => None,
            Ok(n) => {
                part.truncate(n);
                Some((Ok(Bytes::from(part)), body))
            }
            Err(e) => Some((Err(e), body)),
        }
    });
    let mut response = Response::new(Body::from_stream(parts));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{file_name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_url_is_one_that_clients_reach() {
        let at = |text: &str| text.parse::<SocketAddr>().expect("an address");
        assert_eq!(public_url(at("127.0.0.1:8080"), Some("cloud.example")), "http://127.0.0.1:8080");
        assert_eq!(public_url(at("0.0.0.0:8080"), Some("cloud.example")), "http://cloud.example:8080");
        assert_eq!(public_url(at("[::]:80"), Some("2001:db8::1")), "http://[2001:db8::1]:80");
    }
}
