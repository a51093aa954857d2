//! Sockets: binding them, serving HTTP/1.1 on them, and ending in good order.
use crate::config::Port;
use crate::wire::{self, TooLong, Wire};
use anyhow::{Context, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response, StatusCode};
use futures::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt;

/// How long a client may take to send a request's head, and how long a connection may idle between two.
const HEAD: Duration = Duration::from_secs(60);
/// How many headers a request may have.
const HEADERS: usize = 100;
/// Bytes of a connection that wait on either side: of a head that is not whole yet, or of an answer whose reader is slow.
const BUFFER: usize = 128 * 1024;
/// How long requests under way may take once the server ends.
const GRACE: Duration = Duration::from_secs(10);

/// A socket and what it serves.
pub struct Door {
    /// What the log calls it.
    pub name: &'static str,
    /// The bound socket.
    pub socket: TcpListener,
    /// What answers.
    pub router: Router,
    /// Whether a connection serves more than one request.
    pub keep_alive: bool,
    /// The refusal of an over-long head, in this door's format.
    pub too_long: TooLong,
}

/// Binds a port, or says which option chooses another.
pub async fn bind(ip: IpAddr, port: Port, what: &str, flag: &str) -> Result<Option<TcpListener>> {
    let Port::At(port) = port else { return Ok(None) };
    let at = SocketAddr::new(ip, port);
    let socket = TcpListener::bind(at)
        .await
        .with_context(|| format!("cannot listen on {at} for {what}; choose another port with {flag} (0 for any free one)"))?;
    Ok(Some(socket))
}

/// The doors being served.
pub struct Doors {
    stop: watch::Sender<bool>,
    accepting: JoinSet<()>,
}

impl Doors {
    /// Starts to serve.
    pub fn open(doors: Vec<Door>) -> Self {
        let (stop, stopping) = watch::channel(false);
        let mut accepting = JoinSet::new();
        for door in doors {
            accepting.spawn(accept(Arc::new(door), stopping.clone()));
        }
        Self { stop, accepting }
    }

    /// Takes no more connections, lets requests under way end, then closes.
    pub async fn close(mut self) {
        let _ = self.stop.send(true);
        while self.accepting.join_next().await.is_some() {}
    }
}

/// Waits for the end of serving.
async fn told(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

async fn accept(door: Arc<Door>, mut stopping: watch::Receiver<bool>) {
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = told(&mut stopping) => break,
            Some(_) = open.join_next() => continue,
            accepted = door.socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => drop(open.spawn(connection(door.clone(), stream, peer, stopping.clone()))),
            Err(e) => {
                // Out of file descriptors, most likely: wait for connections to end instead of spinning.
                tracing::warn!(door = door.name, error = %e, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(door);
    if tokio::time::timeout(GRACE, async { while open.join_next().await.is_some() {} }).await.is_err() {
        tracing::warn!(connections = open.len(), "requests took too long to end and are cut off");
    }
}

async fn connection(door: Arc<Door>, stream: TcpStream, peer: SocketAddr, mut stopping: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let stream = Arc::new(stream);
    let upgraded = Arc::new(AtomicBool::new(false));
    let service = hyper::service::service_fn({
        let (door, upgraded) = (door.clone(), upgraded.clone());
        move |request| {
            let (door, upgraded) = (door.clone(), upgraded.clone());
            async move {
                let response = answer(door, peer, request).await?;
                if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                    upgraded.store(true, Ordering::Relaxed);
                }
                Ok::<_, Infallible>(response)
            }
        }
    });
    {
        let mut served = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .max_headers(HEADERS)
                .max_buf_size(BUFFER)
                .keep_alive(door.keep_alive)
                .serve_connection(Wire::new(stream.clone(), door.too_long), service)
                .with_upgrades()
        );
        let ended = tokio::select! {
            ended = served.as_mut() => ended,
            () = told(&mut stopping) => {
                served.as_mut().graceful_shutdown();
                served.as_mut().await
            }
        };
        if let Err(e) = ended {
            tracing::debug!(door = door.name, %peer, error = %e, "a connection ended early");
        }
    }
    // A socket that speaks something else by now is read by whoever speaks it.
    if upgraded.load(Ordering::Relaxed) {
        return;
    }
    tokio::select! {
        () = wire::linger(&stream) => {}
        () = told(&mut stopping) => {}
    }
}

/// One request. A handler that panics costs its request, not the connection's others, and leaves a line in the log.
async fn answer(door: Arc<Door>, peer: SocketAddr, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    // The query holds keys and signatures: only the path is logged.
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let begun = Instant::now();
    let response = AssertUnwindSafe(door.router.clone().oneshot(request)).catch_unwind().await;
    let response = match response {
        Ok(Ok(r)) => r,
        Ok(Err(never)) => match never {},
        Err(_) => {
            tracing::error!(door = door.name, %method, path, "a request panicked");
            let mut r = Response::new(Body::from("Internal error\n"));
            *r.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            r
        }
    };
    let took = begun.elapsed();
    ::metrics::counter!("stratus_requests", "door" => door.name, "status" => response.status().as_str().to_owned()).increment(1);
    ::metrics::histogram!("stratus_request_seconds", "door" => door.name).record(took.as_secs_f64());
    tracing::debug!(door = door.name, %peer, %method, path, status = response.status().as_u16(), ms = took.as_millis() as u64, "request");
    Ok(response)
}
