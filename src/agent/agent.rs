//! The host's end: it dials its servers, carries out what they ask on its drivers, and dials again.
//!
//! It keeps a connection to *every* server of its list, not to one of them: each server of a farm runs jobs of its own, and this way
//! each reaches each host without a second protocol between servers. Where the list is one name before several servers, that is one
//! connection.
use crate::ask::{Ask, Drivers};
use crate::ca;
use crate::errand::Lent;
use crate::home::{Home, Identity};
use crate::session::{Serve, Session};
use crate::token::Token;
use crate::trust;
use crate::wire::{self, Enrol, Hello, Message, PROTOCOL};
use async_trait::async_trait;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stratus_drivers::DriverError;
use tokio::net::TcpStream;
use tokio::sync::Mutex as AsyncMutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig};

/// How long dialling and the greeting may take together.
pub(crate) const DIAL: Duration = Duration::from_secs(20);
/// Pauses between attempts: doubled from the first to the last.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// What an agent is told.
#[derive(Debug, Clone, Default)]
pub struct AgentConfig {
    /// `host:port` of every server.
    pub servers: Vec<String>,
    /// The one-time token; needed at the first start only.
    pub token: Option<Token>,
    /// Where the identity is kept.
    pub data_dir: PathBuf,
    /// What it says of itself.
    pub hello: Hello,
}

/// Why an agent does not run.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Its data directory cannot be used.
    #[error("the agent's data directory: {0}")]
    Home(#[from] io::Error),
    /// It has no certificate and no token.
    #[error("this agent has not enrolled yet: give it the token that addHost or `stratus admin enrol` made, with --token")]
    NoToken,
    /// A server refused the token.
    #[error("{0} refused the token: {1}")]
    Refused(String, String),
    /// Certificates cannot be made or read.
    #[error("{0}")]
    Certificates(String),
}

/// An agent with an identity.
pub struct Agent {
    config: AgentConfig,
    home: Home,
    identity: Mutex<Identity>,
}

impl Agent {
    /// Reads who this agent is, or enrols with the token; waits for a server for as long as none answers.
    pub async fn open(mut config: AgentConfig) -> Result<Arc<Self>, AgentError> {
        config.hello.protocol = PROTOCOL;
        config.hello.boot = format!("{:032x}", rand::random::<u128>());
        let home = Home::at(&config.data_dir);
        let identity = match home.identity()? {
            Some(identity) => identity,
            None => {
                let identity = enrol(&config).await?;
                home.keep(&identity)?;
                identity
            }
        };
        Ok(Arc::new(Self { config, home, identity: Mutex::new(identity) }))
    }

    /// Who it is: the uuid of its host.
    pub fn id(&self) -> String {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner).id.clone()
    }

    /// Serves every server until the future is dropped. VMs are left alone whatever happens here.
    pub async fn run(self: Arc<Self>, drivers: Drivers) {
        let networks = self.home.networks().unwrap_or_else(|e| {
            tracing::error!(error = %e, "which networks are served here cannot be read; none are told");
            BTreeSet::new()
        });
        let (home, networks) = (self.home.clone(), Mutex::new(networks));
        let (agent, lent) = (self.clone(), Arc::default());
        let worker = Arc::new(Worker { agent, drivers, lent, home, networks, busy: Mutex::default() });
        let mut tasks = tokio::task::JoinSet::new();
        for server in self.config.servers.clone() {
            tasks.spawn(self.clone().serve(server, worker.clone()));
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn serve(self: Arc<Self>, server: String, worker: Arc<Worker>) {
        let mut pause = PAUSE.0;
        loop {
            match tokio::time::timeout(DIAL, self.attach(&server)).await {
                Ok(Ok((tls, renew))) => {
                    pause = PAUSE.0;
                    let (session, run) = Session::start(&server, tls, worker.clone());
                    tracing::info!(server, "connected");
                    let renewal = renew.then(|| tokio::spawn(self.clone().renew(session)));
                    let why = run.await;
                    tracing::warn!(server, why, "the connection has ended; VMs run on");
                    renewal.inspect(|r| r.abort());
                }
                Ok(Err(why)) => tracing::warn!(server, "not connected: {why}"),
                Err(_) => tracing::warn!(server, "not connected: no answer in {} seconds", DIAL.as_secs()),
            }
            // Spread, so that a thousand agents do not come back at once.
            tokio::time::sleep(pause.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// TLS by which this agent knows its servers and they know it.
    pub(crate) fn tls(&self) -> Result<ClientConfig, rustls::Error> {
        let identity = self.identity.lock().unwrap_or_else(PoisonError::into_inner).clone();
        trust::known(&identity.authority, &identity.certificate, &identity.key)
    }

    /// A connection in which the server has given us our seat, and whether our certificate grows old.
    async fn attach(&self, server: &str) -> Result<(TlsStream<TcpStream>, bool), String> {
        let tls = self.tls().map_err(|e| e.to_string())?;
        let mut tls = dial(server, tls).await.map_err(|e| e.to_string())?;
        // TLS 1.3 tells that our certificate is refused only with the first answer.
        let greeted = async {
            wire::write_message(&mut tls, Message::Hello(self.config.hello.clone())).await?;
            wire::read_message(&mut tls).await
        };
        match greeted.await {
            Ok(Message::Welcome(welcome)) => Ok((tls, welcome.renew)),
            Ok(Message::Refused(why)) => Err(format!("refused: {why}")),
            Ok(_) => Err("the server does not greet".into()),
            Err(e) => Err(explained(&e)),
        }
    }

    /// Asks for a fresh certificate and uses it from the next connection on.
    async fn renew(self: Arc<Self>, session: Arc<Session>) {
        let renewed = async {
            let (key, request) = ca::request().map_err(|e| e.to_string())?;
            let certificate: String = session.ask(Ask::Renew { request }).await.map_err(|e| e.to_string())?;
            let old = self.identity.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let identity = Identity { certificate, key, ..old };
            self.home.keep(&identity).map_err(|e| e.to_string())?;
            *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = identity;
            Ok::<(), String>(())
        };
        match renewed.await {
            Ok(()) => tracing::info!("has a fresh certificate"),
            Err(why) => tracing::warn!("no fresh certificate, asked again with the next connection: {why}"),
        }
    }
}

pub(crate) async fn dial(server: &str, tls: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
    let socket = TcpStream::connect(server).await?;
    let _ = socket.set_nodelay(true);
    let name = ServerName::try_from(ca::SERVER_NAME).map_err(io::Error::other)?;
    TlsConnector::from(Arc::new(tls)).connect(name, socket).await
}

/// An error of the connection as the operator needs to read it.
pub(crate) fn explained(e: &io::Error) -> String {
    match e.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::AlertReceived(alert)) => {
            format!("the server does not take this agent's certificate ({alert:?}): was its host removed, or is it another cloud's?")
        }
        Some(rustls::Error::InvalidCertificate(why)) => format!("this is not the server that the agent knows ({why:?})"),
        _ => e.to_string(),
    }
}

/// Trades the token for an identity. A server that is not there is waited for; one that refuses ends the attempt.
async fn enrol(config: &AgentConfig) -> Result<Identity, AgentError> {
    let token = config.token.as_ref().ok_or(AgentError::NoToken)?;
    let (key, request) = ca::request().map_err(|e| AgentError::Certificates(e.to_string()))?;
    let mut pause = PAUSE.0;
    loop {
        for server in &config.servers {
            let attempt = tokio::time::timeout(DIAL, enrol_at(server, token, &request)).await;
            match attempt.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(Message::Enrolled(e)) => {
                    tracing::info!(identity = e.identity, server, "enrolled");
                    return Ok(Identity { id: e.identity, authority: e.authority, certificate: e.certificate, key });
                }
                Ok(Message::Refused(why)) => return Err(AgentError::Refused(server.clone(), why)),
                Ok(_) => tracing::warn!(server, "not enrolled: the server does not answer as one"),
                Err(e) => match e.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
                    Some(rustls::Error::InvalidCertificate(_)) => {
                        let why = "it is not one of the servers that the token was made for".to_owned();
                        return Err(AgentError::Refused(server.clone(), why));
                    }
                    _ => tracing::warn!(server, error = %e, "not enrolled yet"),
                },
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

async fn enrol_at(server: &str, token: &Token, request: &str) -> io::Result<Message> {
    let mut tls = dial(server, trust::pinned(&token.authority).map_err(io::Error::other)?).await?;
    let asked = Enrol { secret: token.secret.clone(), request: request.to_owned() };
    wire::write_message(&mut tls, Message::Enrol(asked)).await?;
    wire::read_message(&mut tls).await
}

/// Carries out calls on the drivers.
pub(crate) struct Worker {
    pub agent: Arc<Agent>,
    pub drivers: Drivers,
    /// What was fetched from stores that a server keeps.
    pub lent: Arc<Lent>,
    home: Home,
    networks: Mutex<BTreeSet<String>>,
    /// One lock a thing that is worked on.
    busy: Mutex<HashMap<String, Arc<AsyncMutex<()>>>>,
}

impl Worker {
    fn turn(&self, subject: &str) -> Arc<AsyncMutex<()>> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        // What nobody holds or waits for is forgotten when the table has grown.
        if busy.len() > 1024 {
            busy.retain(|_, lock| Arc::strong_count(lock) > 1);
        }
        busy.entry(subject.to_owned()).or_default().clone()
    }

    pub(crate) async fn carry_out(&self, ask: Ask) -> Result<Value, DriverError> {
        let changed = match &ask {
            Ask::NetworkImplement { network } => Some((network.uuid.clone(), true)),
            Ask::NetworkShutdown { network } => Some((network.uuid.clone(), false)),
            _ => None,
        };
        // Remembered before it is up and forgotten after it is down: one too many is asked again, one too few is lost.
        if let Some((network, true)) = &changed {
            self.remember(network, true)?;
        }
        let outcome = ask.carry_out(&self.drivers).await;
        if let (Some((network, false)), Ok(_)) = (&changed, &outcome) {
            self.remember(network, false)?;
        }
        outcome
    }

    fn remember(&self, network: &str, up: bool) -> Result<(), DriverError> {
        let mut networks = self.networks.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = if up { networks.insert(network.to_owned()) } else { networks.remove(network) };
        if changed {
            let kept = self.home.keep_networks(&networks);
            kept.map_err(|e| DriverError::Failed(format!("the agent's data directory: {e}")))?;
        }
        Ok(())
    }
}

#[async_trait]
impl Serve for Worker {
    async fn serve(&self, session: &Arc<Session>, ask: Ask) -> Result<Value, DriverError> {
        match ask {
            Ask::Networks => {
                let networks = self.networks.lock().unwrap_or_else(PoisonError::into_inner).clone();
                crate::ask::value(Ok(networks))
            }
            Ask::Screen { host, vm, stream } => {
                let io = self.drivers.host.screen(&host, &vm).await?;
                session.stream(stream, io);
                Ok(Value::Null)
            }
            Ask::ObjectOpen { store, object, stream } => {
                let reader = self.drivers.store.open(&store, &object).await?;
                session.stream(stream, Box::new(tokio::io::join(reader.body, tokio::io::sink())));
                crate::ask::value(Ok((reader.bytes, reader.made_up)))
            }
            ask => {
                let turn = ask.subject().map(|subject| self.turn(&subject));
                let _mine = match &turn {
                    Some(turn) => Some(turn.lock().await),
                    None => None,
                };
                match ask {
                    Ask::Errand { ask, bring, send } => self.errand(session, *ask, bring, send).await,
                    ask => self.carry_out(ask).await,
                }
            }
        }
    }
}
