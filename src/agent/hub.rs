//! The server's end: who is connected, and which of them a call is for.
use crate::ask::Ask;
use crate::ca::{Authority, CaError};
use crate::gate::{Atlas, Blank, Place, Share};
use crate::session::Session;
use crate::shelves::{CACHE, Shelves};
use crate::token::{Token, fingerprint};
use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use stratus_drivers::{Agents, DriverError, Invitation, Secret, StorageUse, StoreDetails};
use tokio::sync::watch;

/// How long calls wait for an agent that has just lost its connection, or for any after the server has started.
pub const GRACE: Duration = Duration::from_secs(30);

/// Every agent that is connected to this server, as drivers of their hosts; see the crate's own words.
pub struct Hub {
    grace: Duration,
    born: Instant,
    atlas: OnceLock<Arc<dyn Atlas>>,
    /// The fingerprint of the authority that tokens pin.
    authority: OnceLock<String>,
    pub(crate) state: Mutex<State>,
    pub(crate) shelves: Shelves,
    /// Counts what a waiting call may have waited for.
    changed: watch::Sender<u64>,
    /// An agent has come.
    pub(crate) arrival: tokio::sync::Notify,
}

#[derive(Default)]
pub(crate) struct State {
    pub seats: HashMap<String, Seat>,
    /// When hosts lost their seats.
    lost: HashMap<String, Instant>,
    pools: HashMap<String, Reach>,
    stores: HashMap<String, Reach>,
    /// Hosts named for what is connected next.
    meant: HashMap<String, BTreeSet<String>>,
    /// The host that serves a share of a network.
    pub homes: HashMap<Share, String>,
    /// Shares for which a home is being chosen: one at a time each.
    pub settling: HashMap<Share, Arc<tokio::sync::Mutex<()>>>,
}

/// A connected agent.
pub(crate) struct Seat {
    pub session: Arc<Session>,
    /// The start of the agent that it is.
    pub boot: String,
    pub from: IpAddr,
}

/// Who reaches a pool or store.
#[derive(Debug, Clone)]
struct Reach {
    url: String,
    details: StoreDetails,
    /// Hosts that are to reach it.
    hosts: BTreeSet<String>,
    /// Hosts that have said they do, since they last connected.
    ready: BTreeSet<String>,
}

/// What has a URL and is connected host by host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Pool,
    Store,
}

impl What {
    fn ask(self, id: &str, place: &Place) -> Ask {
        let (id, url) = (id.to_owned(), place.url.clone());
        match self {
            Self::Pool => Ask::PoolConnect { pool: id, url },
            Self::Store => {
                let details = place.details.iter().map(|(name, secret)| (name.clone(), secret.reveal().to_owned())).collect();
                Ask::StoreConnect { store: id, url, details }
            }
        }
    }
    fn word(self) -> &'static str {
        match self {
            Self::Pool => "storage pool",
            Self::Store => "image store",
        }
    }
}

impl Reach {
    fn of(place: Place) -> Self {
        Self { url: place.url, details: place.details, hosts: place.hosts.into_iter().collect(), ready: BTreeSet::new() }
    }
}

impl State {
    fn table(&mut self, what: What) -> &mut HashMap<String, Reach> {
        match what {
            What::Pool => &mut self.pools,
            What::Store => &mut self.stores,
        }
    }
    /// Forgets for whom a store was meant that no host connects itself.
    pub fn meant_for_nobody(&mut self, store: &str) {
        self.meant.remove(store);
    }
    fn live(&self, host: &str) -> Option<Arc<Session>> {
        self.seats.get(host).map(|seat| seat.session.clone()).filter(|s| !s.is_closed())
    }
}

pub(crate) fn away(host: &str) -> DriverError {
    DriverError::Unreachable(format!("the agent of host {host}"))
}

impl Hub {
    /// A hub without agents; calls wait so long for one that should be there.
    pub fn new(grace: Duration) -> Arc<Self> {
        let changed = watch::channel(0).0;
        let (atlas, authority, arrival) = (OnceLock::new(), OnceLock::new(), tokio::sync::Notify::new());
        let (state, shelves) = (Mutex::default(), Shelves::default());
        Arc::new(Self { grace, born: Instant::now(), atlas, authority, state, shelves, changed, arrival })
    }

    /// Gives the hub its books, once.
    pub fn read_from(&self, atlas: Arc<dyn Atlas>) {
        // A second call would be a mistake of `main`; the first books stay.
        let _ = self.atlas.set(atlas);
    }

    /// Tells which authority agents are to know, once; links to images are signed with what comes of it.
    ///
    /// # Errors
    /// The authority's key is of no use for that.
    pub fn certified_by(&self, authority: &Authority) -> Result<(), CaError> {
        // As above.
        let _ = self.authority.set(authority.fingerprint());
        self.shelves.sign_with(authority.links()?);
        Ok(())
    }

    pub(crate) fn atlas(&self) -> Arc<dyn Atlas> {
        self.atlas.get().cloned().unwrap_or_else(|| Arc::new(Blank))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a host's agent is connected.
    pub fn is_here(&self, host: &str) -> bool {
        self.state().live(host).is_some()
    }

    /// Whether an agent of a host whose connection has ended is still being waited for.
    pub fn is_awaited(&self, host: &str) -> bool {
        self.state().lost.get(host).is_some_and(|at| at.elapsed() < self.grace)
    }

    /// Ends the connection of a host's agent, which then connects anew; whether there was one.
    pub fn send_away(&self, host: &str) -> bool {
        let session = self.state().live(host);
        session.inspect(|s| s.close()).is_some()
    }

    /// Notes that an agent sits; what it reached before is to be connected anew.
    pub(crate) fn seated(&self, host: &str, seat: Seat) {
        let mut state = self.state();
        state.lost.remove(host);
        for what in [What::Pool, What::Store] {
            state.table(what).values_mut().for_each(|reach| reach.ready.retain(|h| h != host));
        }
        state.seats.insert(host.to_owned(), seat);
        drop(state);
        self.changed.send_modify(|n| *n += 1);
        self.arrival.notify_one();
    }

    /// Notes that a connection has ended; false when another one has the seat by now.
    pub(crate) fn unseated(&self, host: &str, session: &Arc<Session>) -> bool {
        let mut state = self.state();
        let mine = state.seats.get(host).is_some_and(|seat| Arc::ptr_eq(&seat.session, session));
        if mine {
            state.seats.remove(host);
            state.lost.insert(host.to_owned(), Instant::now());
        }
        mine
    }

    /// The connection of a host's agent now.
    pub(crate) fn session(&self, host: &str) -> Result<Arc<Session>, DriverError> {
        self.state().live(host).ok_or_else(|| away(host))
    }

    /// The same, waiting for one that is likely to come back.
    pub(crate) async fn seat(&self, host: &str) -> Result<Arc<Session>, DriverError> {
        let mut changed = self.changed.subscribe();
        let patience = self.patience(host).await;
        let wait = async {
            loop {
                if let Some(session) = self.state().live(host) {
                    return session;
                }
                if changed.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(patience, wait).await.map_err(|_| away(host))
    }

    /// How long to wait for a host's agent.
    async fn patience(&self, host: &str) -> Duration {
        let lost = self.state().lost.get(host).copied();
        let since = match lost {
            Some(at) => at,
            None => self.born,
        };
        let left = self.grace.saturating_sub(since.elapsed());
        if left.is_zero() || self.is_here(host) || self.atlas().given_up(host).await { Duration::ZERO } else { left }
    }

    /// Connects a pool or store on the hosts that it was meant for, on all that are here when none were named. It is there when one
    /// of them reaches it; the others try again when they need it.
    pub(crate) async fn connect(&self, what: What, id: &str, url: &str, details: &StoreDetails) -> Result<StorageUse, DriverError> {
        let hosts: Vec<String> = {
            let mut state = self.state();
            match state.meant.remove(id).filter(|hosts| !hosts.is_empty()) {
                Some(meant) => meant.into_iter().collect(),
                None => state.seats.keys().cloned().collect(),
            }
        };
        let place = Place { url: url.to_owned(), hosts, details: details.clone(), served: false };
        let mut outcome = Err(DriverError::Unreachable(format!("every host that could reach the {}", what.word())));
        for host in &place.hosts {
            let Ok(session) = self.session(host) else { continue };
            let answer = session.ask::<StorageUse>(what.ask(id, &place)).await;
            match &answer {
                Ok(_) => self.reached(what, id, &place, host),
                Err(e) => tracing::warn!(host, id, error = %e, "a host does not reach a {}", what.word()),
            }
            if outcome.is_err() {
                outcome = answer;
            }
        }
        outcome
    }

    fn reached(&self, what: What, id: &str, place: &Place, by: &str) {
        let mut state = self.state();
        let reach = state.table(what).entry(id.to_owned()).or_insert_with(|| Reach::of(place.clone()));
        (reach.url, reach.details) = (place.url.clone(), place.details.clone());
        reach.hosts.extend(place.hosts.iter().cloned());
        reach.ready.insert(by.to_owned());
    }

    /// Forgets a pool or store; the hosts that reached it.
    pub(crate) fn forget(&self, what: What, id: &str) -> Vec<String> {
        self.state().table(what).remove(id).map(|reach| reach.ready.into_iter().collect()).unwrap_or_default()
    }

    /// Who reaches a pool or store, from memory or from the books.
    async fn reach(&self, what: What, id: &str) -> Option<Reach> {
        if let Some(known) = self.state().table(what).get(id) {
            return Some(known.clone());
        }
        let place = match what {
            What::Pool => self.atlas().pool(id).await,
            // One that cannot be opened now is a host's to have all the same.
            What::Store if !matches!(self.shelf(id).await, Ok(None)) => Some(Place { url: CACHE.to_owned(), ..Place::default() }),
            What::Store => self.atlas().store(id).await,
        };
        let reach = Reach::of(place?);
        Some(self.state().table(what).entry(id.to_owned()).or_insert(reach).clone())
    }

    /// Sees that a host reaches a pool or store. One that nobody knows is the driver's to refuse.
    pub(crate) async fn ensure(&self, what: What, id: &str, host: &str, session: &Session) -> Result<(), DriverError> {
        let Some(reach) = self.reach(what, id).await.filter(|r| !r.ready.contains(host)) else { return Ok(()) };
        let place = Place { url: reach.url, details: reach.details, hosts: vec![host.to_owned()], served: false };
        session.ask::<StorageUse>(what.ask(id, &place)).await?;
        self.reached(what, id, &place, host);
        Ok(())
    }

    /// An agent that reaches a pool or store: `must` when the work cannot be done by another, else one of those that are here, for
    /// one subject always the same as long as they are the same.
    pub(crate) async fn at(
        &self,
        what: What,
        id: &str,
        subject: &str,
        must: Option<String>,
    ) -> Result<(String, Arc<Session>), DriverError> {
        let unknown = || DriverError::Unreachable(format!("{} {id}", what.word()));
        let reach = self.reach(what, id).await.ok_or_else(unknown)?;
        let hosts = match must {
            Some(host) => vec![host],
            None => reach.hosts.into_iter().collect(),
        };
        let mut here: Vec<&String> = hosts.iter().filter(|h| self.is_here(h)).collect();
        if here.is_empty() {
            let waits: Vec<_> = hosts.iter().map(|host| Box::pin(async move { self.seat(host).await.map(|_| host) })).collect();
            here.extend(first_ok(waits).await);
        }
        if here.is_empty() {
            return Err(unknown());
        }
        let mut hasher = DefaultHasher::new();
        subject.hash(&mut hasher);
        let host = here[hasher.finish() as usize % here.len()].clone();
        let session = self.session(&host)?;
        self.ensure(what, id, &host, &session).await?;
        Ok((host, session))
    }
}

/// The first success of several waits; none when all have failed.
async fn first_ok<T, F: Future<Output = Result<T, DriverError>> + Unpin>(mut waits: Vec<F>) -> Option<T> {
    std::future::poll_fn(move |cx| {
        let mut i = 0;
        while i < waits.len() {
            match std::pin::Pin::new(&mut waits[i]).poll(cx) {
                std::task::Poll::Ready(Ok(value)) => return std::task::Poll::Ready(Some(value)),
                std::task::Poll::Ready(Err(_)) => drop(waits.swap_remove(i)),
                std::task::Poll::Pending => i += 1,
            }
        }
        if waits.is_empty() { std::task::Poll::Ready(None) } else { std::task::Poll::Pending }
    })
    .await
}

impl Agents for Hub {
    fn invite(&self) -> Result<Invitation, DriverError> {
        let closed = || DriverError::Unsupported("this server takes no agents: its agent port is off".into());
        let token = Token::new(self.authority.get().ok_or_else(closed)?);
        Ok(Invitation { secret_hash: fingerprint(token.secret.as_bytes()), text: Secret::new(token.text()) })
    }
    fn meant_for(&self, place: &str, hosts: &[String]) {
        self.state().meant.entry(place.to_owned()).or_default().extend(hosts.iter().cloned());
    }
    fn is_here(&self, host: &str) -> bool {
        Hub::is_here(self, host)
    }
    fn dismiss(&self, host: &str) {
        self.send_away(host);
    }
}
