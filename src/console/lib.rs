//! The web console's files at `/client/`: a page of TypeScript (`console/` in the repository) that is a client of the native API like
//! any other. Nothing is answered here that the API could answer; this room knows files, their headers, and where the other doors are.
//!
//! Why not rust-embed, as first planned: the build script is thirty lines and adds no crate to compile.
//!
//! Beside the files stands the one thing that the API cannot carry: a VM's screen, RFB over a websocket ([`socket`]).
mod assets;
mod font;
mod rfb;
mod screen;
mod socket;

use assets::Assets;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use stratus_engine::Engine;

/// What the console is told that the API does not say.
#[derive(Debug, Clone, Default)]
pub struct Console {
    /// Files here go before the built ones of the same name: `theme.json` and whatever it names.
    pub theme: Option<PathBuf>,
    /// The port of the EC2 and S3 doors.
    pub aws_port: Option<u16>,
}

/// No script, style or connection but our own; nobody frames us. Images may be `data:`, which is how noVNC draws a cursor.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Serves the console, and the screens of VMs.
pub fn router(console: Console, engine: Arc<Engine>) -> Router {
    let screens = Router::new().route("/client/console", get(socket::servlet)).route("/client/console/ws", get(socket::upgrade));
    files(console).merge(screens.with_state(engine))
}

fn files(console: Console) -> Router {
    let assets = Arc::new(Assets { theme: console.theme });
    let doors = json!({ "awsport": console.aws_port, "ec2path": "/awsapi", "region": "ROOT" }).to_string();
    Router::new()
        .route("/", get(async || Redirect::temporary("/client/")))
        .route("/client", get(async || Redirect::temporary("/client/")))
        .route("/client/", get(page))
        .route("/client/doors.json", get(async || with_headers("application/json", "no-cache", doors.into_bytes().into())))
        .route("/client/{*path}", get(file))
        .with_state(assets)
}

async fn page(State(assets): State<Arc<Assets>>, headers: HeaderMap) -> Response {
    serve(&assets, "index.html", &headers)
        .unwrap_or_else(|| with_headers("text/html; charset=utf-8", "no-cache", UNBUILT.as_bytes().into()))
}

async fn file(State(assets): State<Arc<Assets>>, Path(path): Path<String>, headers: HeaderMap) -> Response {
    serve(&assets, &path, &headers).unwrap_or_else(|| (StatusCode::NOT_FOUND, "no such file\n").into_response())
}

/// The page of a server that was built without npm.
const UNBUILT: &str = include_str!("unbuilt.html");

type Bytes = std::borrow::Cow<'static, [u8]>;

fn serve(assets: &Assets, path: &str, headers: &HeaderMap) -> Option<Response> {
    let plain = assets.read(path)?;
    let accepts = |coding: &str| {
        let all = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|h| h.to_str().ok());
        all.flat_map(|h| h.split(','))
            .any(|c| c.split(';').next().is_some_and(|c| c.trim() == coding) && !c.replace(' ', "").ends_with("q=0"))
    };
    // Names under assets/ hold a hash of what is in them.
    let cache = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let packed = [("br", ".br"), ("gzip", ".gz")].into_iter().filter(|(coding, _)| accepts(coding));
    let packed = packed.filter(|_| !assets.is_themed(path)).find_map(|(coding, end)| Some((coding, assets.read(&format!("{path}{end}"))?)));
    let mut response = match packed {
        Some((coding, bytes)) => {
            let mut r = with_headers(media_type(path), cache, bytes);
            r.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
            r
        }
        None => with_headers(media_type(path), cache, plain),
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    Some(response)
}

fn with_headers(kind: &'static str, cache: &'static str, bytes: Bytes) -> Response {
    let mut response = match bytes {
        Bytes::Borrowed(b) => b.into_response(),
        Bytes::Owned(b) => b.into_response(),
    };
    let set = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, cache),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in set {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, end)| end) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    async fn ask(router: &Router, path: &str) -> (StatusCode, HeaderMap, String) {
        let response = router.clone().oneshot(Request::get(path).body(Body::empty()).expect("a request")).await.expect("answers");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        (parts.status, parts.headers, String::from_utf8_lossy(&bytes).into_owned())
    }

    #[tokio::test]
    async fn the_page_comes_with_a_policy_that_allows_no_inline_script() {
        let (status, headers, body) = ask(&files(Console::default()), "/client/").await;
        assert_eq!(status, StatusCode::OK);
        let policy = headers["content-security-policy"].to_str().expect("text");
        assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
        assert!(!body.contains("<script>"), "{body}");
    }

    #[tokio::test]
    async fn a_theme_file_goes_before_the_built_one_and_nothing_outside_is_read() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("theme.json"), r#"{"name":"Acme"}"#).expect("written");
        let router = files(Console { theme: Some(dir.path().join("console")), aws_port: Some(7080) });
        std::fs::create_dir(dir.path().join("console")).expect("made");
        std::fs::rename(dir.path().join("theme.json"), dir.path().join("console/theme.json")).expect("moved");
        std::fs::write(dir.path().join("master.key"), "secret").expect("written");
        assert_eq!(ask(&router, "/client/theme.json").await.2, r#"{"name":"Acme"}"#);
        for path in ["/client/../master.key", "/client/%2e%2e/master.key", "/client/..%2fmaster.key", "/client//etc/passwd"] {
            let (status, _, body) = ask(&router, path).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{path}: {body}");
        }
        assert!(ask(&router, "/client/doors.json").await.2.contains("7080"));
    }
}
