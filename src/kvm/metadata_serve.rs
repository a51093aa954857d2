//! The server of metadata and passwords, in this process but listening inside each router's namespace: a socket stays in the
//! namespace it was made in. Whoever asks is known by his address, which the packet filter holds him to.
//!
//! Passwords are served as CloudStack's router does, for its script `cloud-set-guest-password` unchanged: port 8080, a header
//! `DomU_Request`, the password until the guest says `saved_password`.
use crate::metadata::{View, answer};
use crate::network::Net;
use crate::router::{METADATA, Router};
use crate::{Done, Kvm};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use rand::Rng;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use stratus_drivers::{DriverError, NicSpec, PublicAddress, VmSpec};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const DATA_PORT: u16 = 80;
const PASSWORD_PORT: u16 = 8080;
/// Longest life of a token in seconds (EC2's own limit).
const TOKEN_MAX: u64 = 21_600;
/// Tokens that live at a time, over all guests.
const TOKENS: usize = 65_536;
/// Connections at a time for each network: guests cannot use up the host's descriptors.
const AT_ONCE: usize = 256;
/// A request that is not whole by then is dropped.
const PATIENCE: Duration = Duration::from_secs(10);

/// Servers by network, and the tokens they gave.
#[derive(Default)]
pub(crate) struct Servers {
    running: Mutex<HashMap<String, Vec<JoinHandle<()>>>>,
    tokens: Mutex<HashMap<String, (String, Instant)>>,
}

impl Drop for Servers {
    fn drop(&mut self) {
        let running = self.running.get_mut().unwrap_or_else(PoisonError::into_inner);
        running.values().flatten().for_each(JoinHandle::abort);
    }
}

/// Opens a listening socket inside a namespace.
fn listen(netns: &Path, port: u16) -> std::io::Result<std::net::TcpListener> {
    let file = std::fs::File::open(netns)?;
    // A thread of its own, because the namespace is a thread's and this one is for nothing else afterwards.
    let work = move || {
        rustix::thread::move_into_link_name_space(file.as_fd(), Some(rustix::thread::LinkNameSpaceType::Network))?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    std::thread::spawn(work).join().unwrap_or_else(|_| Err(std::io::Error::other("the thread that listens ended")))
}

/// What kind of server a port has.
#[derive(Clone, Copy)]
enum Kind {
    Data,
    Password,
}

impl Kvm {
    /// Serves the guests of a network if they are not served already.
    pub(crate) fn metadata_up(&self, net: &Net, router: &Router) -> Done {
        let mut running = self.servers.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.contains_key(&net.spec.uuid) {
            return Ok(());
        }
        let mut tasks = Vec::new();
        for (port, kind) in [(DATA_PORT, Kind::Data), (PASSWORD_PORT, Kind::Password)] {
            let listener = listen(&router.path(), port).and_then(TcpListener::from_std);
            let listener = listener.map_err(|e| DriverError::Failed(format!("metadata of network {}: {e}", net.spec.uuid)))?;
            tasks.push(tokio::spawn(accept(self.me.clone(), net.spec.uuid.clone(), listener, kind)));
        }
        running.insert(net.spec.uuid.clone(), tasks);
        Ok(())
    }

    /// Serves them no more.
    pub(crate) fn metadata_down(&self, network: &str) {
        let tasks = self.servers.running.lock().unwrap_or_else(PoisonError::into_inner).remove(network);
        tasks.into_iter().flatten().for_each(|task| task.abort());
    }

    /// The guest behind an address: what he is to hear, his NIC, and his public address.
    fn guest(&self, network: &str, ip: Ipv4Addr) -> Done<Option<(VmSpec, NicSpec, Option<String>)>> {
        let Some(net) = self.net(network)? else { return Ok(None) };
        let nat = |public: &&PublicAddress| public.static_nat.as_ref().is_some_and(|nat| nat.guest.parse() == Ok(ip));
        let public = net.public.addresses.iter().find(nat).map(|public| public.address.clone());
        let lease = net.holder(ip).cloned();
        Ok(lease.and_then(|lease| Some((lease.guest?, lease.nic, public))))
    }

    fn token_new(&self, guest: &str, seconds: u64) -> Option<String> {
        let mut tokens = self.servers.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if tokens.len() >= TOKENS {
            tokens.retain(|_, (_, end)| *end > now);
        }
        if tokens.len() >= TOKENS {
            return None;
        }
        let token: String = rand::rng().sample_iter(rand::distr::Alphanumeric).take(56).map(char::from).collect();
        tokens.insert(token.clone(), (guest.to_owned(), now + Duration::from_secs(seconds)));
        Some(token)
    }

    fn token_good(&self, guest: &str, token: &str) -> bool {
        let tokens = self.servers.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(token).is_some_and(|(owner, end)| owner == guest && *end > Instant::now())
    }
}

async fn accept(kvm: Weak<Kvm>, network: String, listener: TcpListener, kind: Kind) {
    let room = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    loop {
        let Ok(place) = room.clone().acquire_owned().await else { return };
        let Ok((stream, peer)) = listener.accept().await else {
            // Out of descriptors, most likely: they come back.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (kvm, network) = (kvm.clone(), network.clone());
        tokio::spawn(async move {
            let _place = place;
            if let Err(error) = converse(kvm, network, stream, peer, kind).await {
                tracing::debug!(%error, %peer, "a guest's request for metadata ended early");
            }
        });
    }
}

/// One connection of a guest.
struct Talk {
    kvm: Weak<Kvm>,
    network: String,
    guest: Ipv4Addr,
    view: View,
    kind: Kind,
    socket: OwnedFd,
}

async fn converse(kvm: Weak<Kvm>, network: String, stream: TcpStream, peer: SocketAddr, kind: Kind) -> Result<(), String> {
    let IpAddr::V4(guest) = peer.ip() else { return Ok(()) };
    let here = stream.local_addr().map_err(|e| e.to_string())?;
    let view = if here.ip().to_string() == METADATA { View::Ec2 } else { View::CloudStack };
    let socket = stream.as_fd().try_clone_to_owned().map_err(|e| e.to_string())?;
    let talk = Arc::new(Talk { kvm, network, guest, view, kind, socket });
    let service = hyper::service::service_fn(move |request: http::Request<Incoming>| {
        let talk = talk.clone();
        async move {
            let (head, _) = request.into_parts();
            let answer = match talk.kind {
                Kind::Data => talk.data(&head.method, head.uri.path(), &head.headers),
                Kind::Password => talk.password(&head.headers).await,
            };
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    server.timer(hyper_util::rt::TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(false);
    server.serve_connection(hyper_util::rt::TokioIo::new(stream), service).await.map_err(|e| e.to_string())
}

fn say(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain"));
    answer
}

impl Talk {
    fn guest(&self) -> Option<(Arc<Kvm>, VmSpec, NicSpec, Option<String>)> {
        let kvm = self.kvm.upgrade()?;
        match kvm.guest(&self.network, self.guest) {
            Ok(found) => found.map(|(vm, nic, public)| (kvm, vm, nic, public)),
            Err(error) => {
                tracing::warn!(%error, guest = %self.guest, "a guest cannot be told about itself");
                None
            }
        }
    }

    fn data(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response<Full<Bytes>> {
        let Some((kvm, vm, nic, public)) = self.guest() else { return say(StatusCode::NOT_FOUND, "") };
        if path == "/latest/api/token" {
            return self.token(&kvm, &vm, method, headers);
        }
        if method != Method::GET && method != Method::HEAD {
            return say(StatusCode::METHOD_NOT_ALLOWED, "");
        }
        // Version 1 asks without a token; one that is presented has to be good.
        let token = headers.get("x-aws-ec2-metadata-token").map(|token| token.to_str().unwrap_or_default());
        if token.is_some_and(|token| !kvm.token_good(&vm.name, token)) {
            return say(StatusCode::UNAUTHORIZED, "");
        }
        match answer(path, &vm, &nic, public.as_deref(), self.view) {
            Some(body) => say(StatusCode::OK, body),
            None => say(StatusCode::NOT_FOUND, ""),
        }
    }

    /// Version 2's first step. A proxy shows itself by its header; the answer does not survive being forwarded.
    fn token(&self, kvm: &Kvm, vm: &VmSpec, method: &Method, headers: &HeaderMap) -> Response<Full<Bytes>> {
        if method != Method::PUT {
            return say(StatusCode::METHOD_NOT_ALLOWED, "");
        }
        if headers.contains_key("x-forwarded-for") {
            return say(StatusCode::FORBIDDEN, "");
        }
        let seconds = headers.get("x-aws-ec2-metadata-token-ttl-seconds").and_then(|text| text.to_str().ok()?.parse().ok());
        let Some(seconds) = seconds.filter(|seconds| (1..=TOKEN_MAX).contains(seconds)) else {
            return say(StatusCode::BAD_REQUEST, "");
        };
        if rustix::net::sockopt::set_ip_ttl(&self.socket, 1).is_err() {
            return say(StatusCode::INTERNAL_SERVER_ERROR, "");
        }
        let Some(token) = kvm.token_new(&vm.name, seconds) else { return say(StatusCode::SERVICE_UNAVAILABLE, "") };
        let mut answer = say(StatusCode::OK, token);
        answer.headers_mut().insert("x-aws-ec2-metadata-token-ttl-seconds", seconds.into());
        answer
    }

    /// The protocol of CloudStack's password server.
    async fn password(&self, headers: &HeaderMap) -> Response<Full<Bytes>> {
        let bad = || say(StatusCode::OK, "bad_request");
        let Some(kvm) = self.kvm.upgrade() else { return bad() };
        let Ok(Some(net)) = kvm.net(&self.network) else { return bad() };
        let Some(lease) = net.holder(self.guest) else { return bad() };
        match headers.get("domu_request").and_then(|wish| wish.to_str().ok()) {
            Some("send_my_password") => say(StatusCode::OK, lease.password.clone().unwrap_or_else(|| "saved_password".into())),
            Some("saved_password") => match kvm.password_taken(&self.network, &lease.nic.uuid).await {
                Ok(()) => say(StatusCode::OK, "saved_password"),
                Err(_) => bad(),
            },
            _ => bad(),
        }
    }
}
