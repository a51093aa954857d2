//! Where hosts fetch and bring objects of stores that the server keeps: HTTP at the agents' door, told from the agents' own protocol
//! by ALPN. A request needs a signed link and the certificate of a host.
use crate::gate::Gate;
use crate::hub::Hub;
use crate::link::{Grant, Way};
use crate::token::fingerprint;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderName, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io::{self, SeekFrom};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use stratus_drivers::{DriverError, ObjectSpec};
use stratus_files::shelf::Object;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::io::{ReaderStream, StreamReader};

/// What is offered and asked for in the handshake.
pub(crate) const ALPN: &[u8] = b"http/1.1";
/// An object as its store is to know it, JSON.
pub(crate) const OBJECT: HeaderName = HeaderName::from_static("stratus-object");
/// Connections for images at once; more are closed, and those who wanted them try again.
pub(crate) const CONNECTIONS: usize = 256;
/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(15);
/// How long a body may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// Bytes read from a file at a time.
const PART: usize = 256 << 10;
/// What is still read of a body that is refused, so that who sends it hears why: bytes, and for how long.
const DRAIN: (u64, Duration) = (256 << 20, Duration::from_secs(20));

pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;
type Answer = Response<Body>;

/// A refusal: a status, and a sentence for the log of whoever asked.
struct Refused(StatusCode, String);

impl From<DriverError> for Refused {
    fn from(e: DriverError) -> Self {
        let status = match &e {
            DriverError::Missing(_) => StatusCode::NOT_FOUND,
            DriverError::NoRoom(_) => StatusCode::INSUFFICIENT_STORAGE,
            DriverError::Unreachable(_) => StatusCode::SERVICE_UNAVAILABLE,
            DriverError::Unsupported(_) | DriverError::Failed(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let text = match e {
            DriverError::NoRoom(why) => why,
            other => other.to_string(),
        };
        Self(status, text)
    }
}

fn forbidden(why: &str) -> Refused {
    Refused(StatusCode::FORBIDDEN, why.to_owned())
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(text.into()).map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = status;
    answer
}

/// Serves one connection until it ends.
pub(crate) async fn serve(hub: Arc<Hub>, gate: Arc<dyn Gate>, tls: TlsStream<TcpStream>, peer: SocketAddr) {
    let certificate = tls.get_ref().1.peer_certificates().and_then(|c| c.first()).map(|c| fingerprint(c));
    let known = match &certificate {
        Some(certificate) => gate.admit(certificate).await.map(|admission| admission.identity),
        None => Err("images are for agents, which show a certificate".to_owned()),
    };
    let service = service_fn(move |request| {
        let (hub, known) = (hub.clone(), known.clone());
        async move {
            let what = format!("{} {}", request.method(), request.uri().path());
            let outcome = match &known {
                Ok(_) => attend(&hub, request).await,
                Err(why) => Err(forbidden(why)),
            };
            Ok::<_, std::convert::Infallible>(outcome.unwrap_or_else(|Refused(status, why)| {
                tracing::info!(%peer, what, status = status.as_u16(), why, "an image was refused");
                text(status, why)
            }))
        }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    // One request a connection, as agents ask.
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).keep_alive(false);
    if let Err(e) = http.serve_connection(TokioIo::new(tls), service).await {
        tracing::debug!(%peer, error = %e, "a connection for images has ended");
    }
}

async fn attend(hub: &Hub, request: Request<Incoming>) -> Result<Answer, Refused> {
    let uri = request.uri();
    let grant = hub.shelves.grant(request.method().as_str(), uri.path(), uri.query().unwrap_or_default()).map_err(forbidden)?;
    match grant.way {
        Way::Out => hand_out(hub, &grant, request.headers()).await,
        Way::In => take_in(hub, &grant, request).await,
    }
}

/// The first byte that is asked for of the version that is there: `bytes=N-`. Everything else gets the whole.
fn first_byte(headers: &HeaderMap, version: &str) -> u64 {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if header(IF_RANGE).is_some_and(|of| of != version) {
        return 0;
    }
    header(RANGE).and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()).unwrap_or(0)
}

async fn hand_out(hub: &Hub, grant: &Grant, headers: &HeaderMap) -> Result<Answer, Refused> {
    let gone = || DriverError::Missing(format!("{} on store {}", grant.object, grant.store));
    let shelf = hub.shelf(&grant.store).await?.ok_or_else(gone)?;
    let (path, Object { facts, .. }) = shelf.object(&grant.object)?;
    let failed = |e: io::Error| Refused(StatusCode::INTERNAL_SERVER_ERROR, format!("the image cannot be read: {e}"));
    let mut file = tokio::fs::File::open(&path).await.map_err(failed)?;
    let all = file.metadata().await.map_err(failed)?.len();
    let version = format!("\"{}\"", facts.checksum);
    let from = first_byte(headers, &version);
    if from > 0 && from >= all {
        return Err(Refused(StatusCode::RANGE_NOT_SATISFIABLE, format!("it has {all} bytes")));
    }
    file.seek(SeekFrom::Start(from)).await.map_err(failed)?;
    let bytes = ReaderStream::with_capacity(file, PART).map_ok(Frame::data);
    let mut answer = Response::builder().header(ETAG, version).header(ACCEPT_RANGES, "bytes").header(CONTENT_LENGTH, all - from);
    if from > 0 {
        answer = answer.status(StatusCode::PARTIAL_CONTENT).header(CONTENT_RANGE, format!("bytes {from}-{}/{all}", all - 1));
    }
    answer.body(StreamBody::new(bytes).boxed_unsync()).map_err(|e| Refused(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))
}

/// What the sender says of the object, and whether that much may come.
fn announced(grant: &Grant, headers: &HeaderMap) -> Result<ObjectSpec, Refused> {
    let bad = |why: &str| Refused(StatusCode::BAD_REQUEST, why.to_owned());
    let what = headers.get(OBJECT).and_then(|value| serde_json::from_slice::<ObjectSpec>(value.as_bytes()).ok());
    let what = what.ok_or_else(|| bad("the header stratus-object has to say what comes"))?;
    if what.object != grant.object {
        return Err(forbidden("the link is for another object"));
    }
    let length: Option<u64> = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let comes = if what.made_up { 0 } else { what.facts.physical_bytes };
    if length != Some(comes) {
        return Err(bad(&format!("{comes} bytes are said to come, and Content-Length has to say so")));
    }
    if comes > grant.most {
        return Err(Refused(StatusCode::PAYLOAD_TOO_LARGE, format!("{comes} bytes come, and {} are let in", grant.most)));
    }
    Ok(what)
}

async fn take_in(hub: &Hub, grant: &Grant, request: Request<Incoming>) -> Result<Answer, Refused> {
    let (head, body) = request.into_parts();
    let mut bytes = Box::pin(reader(body));
    let outcome = async {
        let what = announced(grant, &head.headers)?;
        let over = || Refused(StatusCode::GONE, "the call that this was for is over".to_owned());
        if !hub.shelves.awaits(grant) {
            return Err(over());
        }
        let gone = || DriverError::Unreachable(format!("store {}", grant.store));
        let shelf = hub.shelf(&grant.store).await?.ok_or_else(gone)?;
        let room = shelf.space()?;
        if !what.made_up && room.total.saturating_sub(room.used) < what.facts.physical_bytes {
            return Err(DriverError::NoRoom(format!("{} bytes do not fit on the image store", what.facts.physical_bytes)).into());
        }
        let (mut pump, far) = tokio::io::duplex(PART);
        let take = shelf.receive(&what, grant.most, Box::pin(far));
        let feed = async {
            // Its end, early or not, is what the taker sees.
            let _ = tokio::io::copy(&mut bytes, &mut pump).await;
            drop(pump);
        };
        let (taken, ()) = tokio::join!(take, feed);
        let facts = taken?;
        if !hub.shelves.awaits(grant) {
            // Whoever undid it meanwhile found nothing to delete yet.
            shelf.delete(&what.object).await?;
            return Err(over());
        }
        serde_json::to_vec(&facts).map_err(|e| Refused(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))
    };
    let outcome = outcome.await;
    let rest = async { tokio::io::copy(&mut (&mut bytes).take(DRAIN.0), &mut tokio::io::sink()).await };
    let _ = tokio::time::timeout(DRAIN.1, rest).await;
    outcome.map(|facts| text(StatusCode::OK, facts))
}

/// A body as bytes to be read; one that is silent for too long breaks off.
pub(crate) fn reader(body: Incoming) -> impl AsyncRead + Send {
    StreamReader::new(futures::stream::unfold(body.into_data_stream(), async |mut parts| {
        match tokio::time::timeout(SILENCE, parts.next()).await {
            Ok(part) => Some((part?.map_err(io::Error::other), parts)),
            Err(_) => Some((Err(io::ErrorKind::TimedOut.into()), parts)),
        }
    }))
}
