//! The door for agents: TLS, the greeting, and the seat.
use crate::ask::Ask;
use crate::ca::{Authority, GOOD_FOR};
use crate::counter;
use crate::gate::Gate;
use crate::hub::{Hub, Seat};
use crate::session::{Serve, Session};
use crate::token::fingerprint;
use crate::wire::{self, Enrol, Enrolled, Hello, Message, PROTOCOL, Welcome};
use async_trait::async_trait;
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use stratus_drivers::DriverError;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tokio_rustls::server::TlsStream;

/// How long TLS and the greeting may take together.
const GREETING: Duration = Duration::from_secs(15);
/// Connections that may be in their greeting at once.
const GREETINGS: usize = 256;
/// How long an agent that has the seat may take to show that it lives when another one wants it.
const PROBE: Duration = Duration::from_secs(5);

/// What the door needs.
pub struct Door {
    /// Where agents end up.
    pub hub: Arc<Hub>,
    /// Who signs.
    pub authority: Arc<Authority>,
    /// Who keeps the books.
    pub gate: Arc<dyn Gate>,
    /// This server's version.
    pub version: &'static str,
}

impl Door {
    /// Serves agents until the task is aborted; connections end with the hub's sessions.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) -> Result<(), crate::ca::CaError> {
        let acceptor = TlsAcceptor::from(Arc::new(self.authority.server_config(SystemTime::now())?));
        let (greetings, images) = (Arc::new(Semaphore::new(GREETINGS)), Arc::new(Semaphore::new(counter::CONNECTIONS)));
        loop {
            let Ok(slot) = greetings.clone().acquire_owned().await else { return Ok(()) };
            match listener.accept().await {
                Ok((socket, peer)) => {
                    let (door, acceptor, images) = (self.clone(), acceptor.clone(), images.clone());
                    tokio::spawn(async move {
                        let greeted = tokio::time::timeout(GREETING, door.greet(acceptor, socket, peer)).await;
                        drop(slot);
                        match greeted {
                            Ok(Some(Greeted::Seated(seated))) => door.keep(*seated).await,
                            Ok(Some(Greeted::Images(tls))) => {
                                let Ok(_slot) = images.try_acquire() else { return };
                                counter::serve(door.hub.clone(), door.gate.clone(), *tls, peer).await;
                            }
                            _ => {}
                        }
                    });
                }
                Err(e) => {
                    tracing::warn!(error = %e, "an agent's connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// From the first byte to a seat, or to what else is wanted here; none when there is nothing to keep.
    async fn greet(&self, acceptor: TlsAcceptor, socket: TcpStream, peer: SocketAddr) -> Option<Greeted> {
        let _ = socket.set_nodelay(true);
        let mut tls = match acceptor.accept(socket).await {
            Ok(tls) => tls,
            Err(e) => {
                self.shut_out(peer.ip(), &e).await;
                return None;
            }
        };
        if tls.get_ref().1.alpn_protocol() == Some(counter::ALPN) {
            return Some(Greeted::Images(Box::new(tls)));
        }
        let message = match wire::read_message(&mut tls).await {
            Ok(message) => message,
            Err(e) => {
                tracing::info!(%peer, error = %e, "a connection at the agents' door did not greet");
                return None;
            }
        };
        let certificate = tls.get_ref().1.peer_certificates().and_then(|c| c.first()).map(|c| fingerprint(c));
        let outcome = match (message, certificate) {
            (Message::Enrol(enrol), _) => match self.enrol(enrol).await {
                Ok(enrolled) => {
                    let _ = wire::write_message(&mut tls, Message::Enrolled(enrolled)).await;
                    return None;
                }
                Err(why) => Err(why),
            },
            (Message::Hello(hello), Some(certificate)) => self.admit(&hello, &certificate).await.map(|welcome| (hello, welcome)),
            (Message::Hello(_), None) => Err("an agent without a certificate has to enrol first, with a token".to_owned()),
            _ => Err("this is no greeting".to_owned()),
        };
        match outcome {
            Ok((hello, welcome)) => self.seat(tls, peer.ip(), hello, welcome).await.map(|seated| Greeted::Seated(Box::new(seated))),
            Err(why) => {
                self.send_away(&mut tls, peer.ip(), why).await;
                None
            }
        }
    }

    async fn send_away(&self, tls: &mut TlsStream<TcpStream>, from: IpAddr, why: String) {
        tracing::warn!(%from, "an agent was refused: {why}");
        self.gate.refused(from, &why).await;
        let _ = wire::write_message(tls, Message::Refused(why)).await;
    }

    /// TLS failed: that a certificate is wrong is worth an alert, noise is not.
    async fn shut_out(&self, from: IpAddr, e: &std::io::Error) {
        match e.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(why)) => {
                let why = format!("its certificate is not good here: {why:?}");
                tracing::warn!(%from, "an agent was refused: {why}");
                self.gate.refused(from, &why).await;
            }
            _ => tracing::info!(%from, error = %e, "no TLS at the agents' door"),
        }
    }

    async fn enrol(&self, asked: Enrol) -> Result<Enrolled, String> {
        let hash = fingerprint(asked.secret.as_bytes());
        let identity = self.gate.invited(&hash).await?;
        let issued = self.authority.sign(&asked.request, &identity, SystemTime::now(), GOOD_FOR).map_err(|e| e.to_string())?;
        self.gate.enrolled(&hash, &issued).await?;
        tracing::info!(identity, "an agent has enrolled");
        Ok(Enrolled { identity, certificate: issued.pem, authority: self.authority.certificate().to_owned() })
    }

    async fn admit(&self, hello: &Hello, certificate: &str) -> Result<Welcome, String> {
        if hello.protocol != PROTOCOL {
            return Err(format!("this server speaks protocol {PROTOCOL} with agents, not {}: install {}", hello.protocol, self.version));
        }
        let admission = self.gate.admit(certificate).await?;
        Ok(Welcome { version: self.version.to_owned(), identity: admission.identity, renew: admission.renew })
    }

    /// Gives the agent its seat, unless another one lives in it.
    async fn seat(&self, mut tls: TlsStream<TcpStream>, from: IpAddr, hello: Hello, welcome: Welcome) -> Option<Seated> {
        let identity = welcome.identity.clone();
        loop {
            if let Err(why) = self.vacate(&identity, &hello.boot).await {
                self.send_away(&mut tls, from, why).await;
                return None;
            }
            // Between the look and the taking another one may have sat down.
            if self.hub.is_here(&identity) {
                continue;
            }
            break;
        }
        wire::write_message(&mut tls, Message::Welcome(welcome)).await.ok()?;
        let server = Arc::new(Server {
            hub: self.hub.clone(),
            authority: self.authority.clone(),
            gate: self.gate.clone(),
            identity: identity.clone(),
        });
        let (session, run) = Session::start(&format!("the agent of host {identity}"), tls, server);
        self.hub.seated(&identity, Seat { session: session.clone(), boot: hello.boot.clone(), from });
        Some(Seated { identity, hello, from, session, run: Box::pin(run) })
    }

    /// Sees that a seat is free: the agent that has it is the same one come back, or does not answer.
    async fn vacate(&self, identity: &str, boot: &str) -> Result<(), String> {
        let sitting = self.hub.state().seats.get(identity).map(|s| (s.session.clone(), s.boot.clone(), s.from));
        let Some((session, sits, from)) = sitting.filter(|s| !s.0.is_closed()) else { return Ok(()) };
        if sits != boot && session.ask_within::<Value>(Ask::Networks, PROBE).await.is_ok() {
            return Err(format!(
                "another agent with this identity ({identity}) is connected from {from} and answers: an identity belongs to one machine; \
                 enrol this one with a token of its own, in a data directory of its own"
            ));
        }
        session.close();
        self.hub.unseated(identity, &session);
        Ok(())
    }

    /// Keeps a seated agent until its connection ends.
    async fn keep(self: Arc<Self>, seated: Seated) {
        let Seated { identity, hello, from, session, run } = seated;
        tracing::info!(host = identity, %from, version = hello.version, "an agent is connected");
        let arrival = tokio::spawn({
            let (door, identity) = (self.clone(), identity.clone());
            async move { door.gate.arrived(&identity, &hello, from).await }
        });
        let why = run.await;
        tracing::info!(host = identity, why, "an agent's connection has ended");
        let was_last = self.hub.unseated(&identity, &session);
        // In order: what an arrival writes is not to come after what the leaving writes.
        let _ = arrival.await;
        if was_last {
            self.gate.left(&identity, &why).await;
        }
    }
}

/// Who came.
enum Greeted {
    /// An agent, which stays.
    Seated(Box<Seated>),
    /// One on an errand.
    Images(Box<TlsStream<TcpStream>>),
}

/// An agent in its seat.
struct Seated {
    identity: String,
    hello: Hello,
    from: IpAddr,
    session: Arc<Session>,
    run: std::pin::Pin<Box<dyn Future<Output = String> + Send>>,
}

/// What an agent may ask.
struct Server {
    hub: Arc<Hub>,
    authority: Arc<Authority>,
    gate: Arc<dyn Gate>,
    identity: String,
}

#[async_trait]
impl Serve for Server {
    async fn serve(&self, _: &Arc<Session>, ask: Ask) -> Result<Value, DriverError> {
        let request = match ask {
            Ask::Renew { request } => request,
            Ask::Link { errand } => return crate::ask::value(self.hub.shelves.link(errand, &self.identity)),
            _ => return Err(DriverError::Unsupported("an agent may ask for a certificate and for links only".into())),
        };
        let issued = self.authority.sign(&request, &self.identity, SystemTime::now(), GOOD_FOR);
        let issued = issued.map_err(|e| DriverError::Failed(e.to_string()))?;
        self.gate.renewed(&self.identity, &issued).await.map_err(DriverError::Failed)?;
        Ok(Value::String(issued.pem))
    }
}
