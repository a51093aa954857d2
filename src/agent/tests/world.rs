//! Books in memory, a door on a free port, and agents of a simulated world.
use async_trait::async_trait;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use stratus_agent::{Admission, Agent, AgentConfig, AgentError, Authority, Door, Drivers, Gate, Hello, Hub, Issued, Token, fingerprint};
use stratus_sim::Sim;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The books: who holds what, and what happened.
#[derive(Default)]
pub struct Books {
    /// Token hashes and for whom they are.
    pub invited: Mutex<HashMap<String, String>>,
    /// Certificates and whose they are.
    pub known: Mutex<HashMap<String, String>>,
    /// `arrived h1`, `left h1`, `refused: …`, in order.
    pub told: Mutex<Vec<String>>,
    pub news: Notify,
    /// Whether agents are to renew their certificates.
    pub renew: Mutex<bool>,
    pub enrolments: AtomicUsize,
}

impl Books {
    fn tell(&self, what: String) {
        self.told.lock().unwrap().push(what);
        self.news.notify_waiters();
    }
    /// Waits until something of this beginning was told so often.
    pub async fn until(&self, beginning: &str, times: usize) -> String {
        let wait = async {
            loop {
                let news = self.news.notified();
                let found: Vec<String> = self.told.lock().unwrap().iter().filter(|t| t.starts_with(beginning)).cloned().collect();
                if found.len() >= times {
                    return found[times - 1].clone();
                }
                news.await;
            }
        };
        let told = || self.told.lock().unwrap().clone();
        tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap_or_else(|_| panic!("no {times} times {beginning} in {:?}", told()))
    }
}

#[async_trait]
impl Gate for Books {
    async fn invited(&self, secret_hash: &str) -> Result<String, String> {
        self.invited.lock().unwrap().get(secret_hash).cloned().ok_or_else(|| "the token is used, expired or unknown".into())
    }
    async fn enrolled(&self, secret_hash: &str, issued: &Issued) -> Result<(), String> {
        let identity = self.invited.lock().unwrap().remove(secret_hash).ok_or("the token was used at this moment")?;
        self.known.lock().unwrap().insert(issued.fingerprint.clone(), identity);
        self.enrolments.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
    async fn admit(&self, fingerprint: &str) -> Result<Admission, String> {
        let known = self.known.lock().unwrap().get(fingerprint).cloned();
        let identity = known.ok_or("no host has this certificate any more")?;
        Ok(Admission { identity, renew: *self.renew.lock().unwrap() })
    }
    async fn renewed(&self, identity: &str, issued: &Issued) -> Result<(), String> {
        self.known.lock().unwrap().insert(issued.fingerprint.clone(), identity.into());
        self.tell(format!("renewed {identity}"));
        Ok(())
    }
    async fn arrived(&self, identity: &str, hello: &Hello, _: IpAddr) {
        assert_eq!(hello.hypervisor, "KVM");
        self.tell(format!("arrived {identity}"));
    }
    async fn left(&self, identity: &str, _: &str) {
        self.tell(format!("left {identity}"));
    }
    async fn refused(&self, _: IpAddr, why: &str) {
        self.tell(format!("refused: {why}"));
    }
}

/// A server without an engine.
pub struct World {
    pub hub: Arc<Hub>,
    pub books: Arc<Books>,
    pub authority: Arc<Authority>,
    pub at: SocketAddr,
    door: JoinHandle<()>,
}

impl World {
    pub async fn new(grace: Duration) -> Self {
        let (certificate, key) = Authority::make(SystemTime::now()).unwrap();
        Self::with(Arc::new(Authority::open(&certificate, &key).unwrap()), Arc::default(), grace, "127.0.0.1:0".parse().unwrap()).await
    }

    /// A server with books that were there before, at this address.
    pub async fn with(authority: Arc<Authority>, books: Arc<Books>, grace: Duration, at: SocketAddr) -> Self {
        let listener = loop {
            match TcpListener::bind(at).await {
                Ok(listener) => break listener,
                // The old connections of a port that was just in use.
                Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(e) => panic!("{at}: {e}"),
            }
        };
        let at = listener.local_addr().unwrap();
        let hub = Hub::new(grace);
        hub.certified_by(&authority).unwrap();
        let door = Arc::new(Door { hub: hub.clone(), authority: authority.clone(), gate: books.clone(), version: "test" });
        let door = tokio::spawn(async move { door.serve(listener).await.unwrap() });
        Self { hub, books, authority, at, door }
    }

    /// Ends as a killed server does.
    pub async fn kill(self, hosts: &[&str]) -> (Arc<Authority>, Arc<Books>, SocketAddr) {
        self.door.abort();
        let _ = self.door.await;
        hosts.iter().for_each(|h| {
            self.hub.send_away(h);
        });
        (self.authority.clone(), self.books.clone(), self.at)
    }

    pub fn token(&self, identity: &str) -> Token {
        let token = Token::new(&self.authority.fingerprint());
        self.books.invited.lock().unwrap().insert(fingerprint(token.secret.as_bytes()), identity.into());
        token
    }

    /// An agent that has enrolled and runs until it is dropped.
    pub async fn agent(&self, identity: &str, sim: &Arc<Sim>) -> Running {
        let dir = tempfile::tempdir().unwrap();
        let config = self.config(&dir, Some(self.token(identity)));
        let running = Running::start(config, dir, sim).await.unwrap();
        self.books.until(&format!("arrived {identity}"), 1).await;
        running
    }

    /// The same for one that reaches the server at another address.
    pub async fn agent_by(&self, identity: &str, sim: &Arc<Sim>, at: SocketAddr) -> Running {
        let dir = tempfile::tempdir().unwrap();
        let config = AgentConfig { servers: vec![at.to_string()], ..self.config(&dir, Some(self.token(identity))) };
        let running = Running::start(config, dir, sim).await.unwrap();
        self.books.until(&format!("arrived {identity}"), 1).await;
        running
    }

    pub fn config(&self, dir: &tempfile::TempDir, token: Option<Token>) -> AgentConfig {
        let hello = Hello { version: "test".into(), hypervisor: "KVM".into(), ..Hello::default() };
        AgentConfig { servers: vec![self.at.to_string()], token, data_dir: dir.path().to_owned(), hello }
    }
}

/// An agent at work.
pub struct Running {
    pub dir: Option<tempfile::TempDir>,
    task: JoinHandle<()>,
}

impl Running {
    pub async fn start(config: AgentConfig, dir: tempfile::TempDir, sim: &Arc<Sim>) -> Result<Self, AgentError> {
        let agent = Agent::open(config).await?;
        Ok(Self { dir: Some(dir), task: tokio::spawn(agent.run(Drivers::of(sim.clone()))) })
    }

    /// Ends as a killed agent does; its data directory.
    pub async fn kill(mut self) -> tempfile::TempDir {
        self.task.abort();
        let _ = (&mut self.task).await;
        self.dir.take().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
