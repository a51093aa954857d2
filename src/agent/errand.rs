//! The host's end of errands: what a call needs of a store that the server keeps is fetched before it, what it made for one is brought
//! there after it, and neither stays here. Calls that need one object at the same time have it fetched once.
//!
//! The server is the one that asked, at the address that was dialled, known by its authority as on the connection itself. Links are
//! asked for when a transfer begins or is taken up again: what a call does before that may take longer than a link is good.
use crate::agent::{Agent, DIAL, Worker, dial};
use crate::ask::{Ask, Dispatch, Parcel};
use crate::counter::{ALPN, Body, OBJECT, reader};
use crate::session::Session;
use bytes::Bytes;
use futures::TryStreamExt;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, HOST, IF_RANGE, RANGE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stratus_drivers::{DriverError, ObjectSpec, SecondaryStorage, TemplateFacts};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::io::ReaderStream;

type Done<T = ()> = Result<T, DriverError>;

/// Attempts that may bring nothing new before a transfer is given up.
const TRIES: u32 = 4;
/// The pause before the second attempt; it doubles.
const PAUSE: Duration = Duration::from_millis(250);
/// Bytes that are between the network and the driver.
const PIPE: usize = 256 << 10;
/// How long an object stays for a VM that is about to come here; it is seen here as soon as it begins to.
const LINGER: Duration = Duration::from_secs(60);
/// The longest sentence that is read of a refusal.
const SENTENCE: usize = 4096;

/// Store and object.
type Key = (String, String);

/// What was fetched for calls that are under way.
#[derive(Default)]
pub(crate) struct Lent(Mutex<HashMap<Key, Slot>>);

#[derive(Default)]
struct Slot {
    users: usize,
    /// Whether it is here; locked while that changes.
    here: Arc<AsyncMutex<bool>>,
}

impl Lent {
    fn all(&self) -> MutexGuard<'_, HashMap<Key, Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more that needs it.
    fn join(&self, key: &Key) -> Arc<AsyncMutex<bool>> {
        let mut all = self.all();
        let slot = all.entry(key.clone()).or_default();
        slot.users += 1;
        slot.here.clone()
    }

    /// One fewer; the last one takes it away.
    async fn leave(&self, key: &Key, store: &dyn SecondaryStorage) {
        let Some(here) = self.all().get(key).map(|slot| slot.here.clone()) else { return };
        let mut here = here.lock().await;
        let last = {
            let mut all = self.all();
            let Some(slot) = all.get_mut(key) else { return };
            slot.users -= 1;
            slot.users == 0
        };
        if !last {
            return;
        }
        if std::mem::take(&mut *here)
            && let Err(e) = store.delete(&key.0, &key.1).await
        {
            tracing::warn!(store = key.0, object = key.1, error = %e, "an object that is not needed any more stays until the agent's next start");
        }
        let mut all = self.all();
        if all.get(key).is_some_and(|slot| slot.users == 0) {
            all.remove(key);
        }
    }
}

impl Worker {
    /// Does what is asked with what has to be fetched for it, and brings where it belongs what was made.
    pub(crate) async fn errand(&self, session: &Arc<Session>, ask: Ask, bring: Vec<Parcel>, send: Option<Dispatch>) -> Done<Value> {
        let later = ask.arrives_later();
        if !ask.needs_first() {
            match self.carry_out(ask.clone()).await {
                Err(DriverError::Missing(_)) if !bring.is_empty() => {}
                outcome => return self.dispatch(session, outcome, send).await,
            }
        }
        let mut keys = Vec::new();
        let outcome = async {
            for parcel in &bring {
                let key = (parcel.store.clone(), parcel.what.object.clone());
                let here = self.lent.join(&key);
                keys.push(key);
                let mut here = here.lock().await;
                if !*here {
                    self.fetch(session, parcel).await?;
                    *here = true;
                }
            }
            self.carry_out(ask).await
        };
        let outcome = outcome.await;
        let (lent, store) = (self.lent.clone(), self.drivers.store.clone());
        let wait = if later && outcome.is_ok() { LINGER } else { Duration::ZERO };
        let leave = async move {
            tokio::time::sleep(wait).await;
            for key in keys {
                lent.leave(&key, store.as_ref()).await;
            }
        };
        if wait.is_zero() {
            leave.await
        } else {
            drop(tokio::spawn(leave))
        }
        self.dispatch(session, outcome, send).await
    }

    /// Has an object in the store of this host; one that is there is not fetched again.
    async fn fetch(&self, session: &Arc<Session>, parcel: &Parcel) -> Done {
        let (store, what) = (&self.drivers.store, &parcel.what);
        let nothing = || Box::pin(tokio::io::empty());
        match store.receive(&parcel.store, what, nothing()).await {
            Ok(_) => return Ok(()),
            Err(e) if what.made_up => return Err(e),
            Err(_) => {}
        }
        let (near, far) = tokio::io::duplex(PIPE);
        let post = Post { agent: self.agent.clone(), session: session.clone(), errand: parcel.errand };
        let version = format!("\"{}\"", what.facts.checksum);
        let pump = tokio::spawn(async move { post.pump(&version, far).await });
        let taken = store.receive(&parcel.store, what, Box::pin(near)).await;
        // What ended the stream says more than that it ended.
        match (taken, pump.await) {
            (Ok(_), _) => Ok(()),
            (Err(_), Ok(Err(why))) => Err(why),
            (Err(e), _) => Err(e),
        }
    }

    /// Brings what a call made to the store that it is for. It does not stay here, whatever comes of it.
    async fn dispatch(&self, session: &Arc<Session>, outcome: Done<Value>, send: Option<Dispatch>) -> Done<Value> {
        let (Some(send), Ok(value)) = (send, &outcome) else { return outcome };
        let facts = serde_json::from_value(value.clone()).map_err(|e| DriverError::Failed(e.to_string()))?;
        let sent = self.send(session, &send, facts).await;
        if let Err(e) = self.drivers.store.delete(&send.store, &send.object).await {
            tracing::warn!(object = send.object, error = %e, "what was sent stays until the agent's next start");
        }
        crate::ask::value(sent)
    }

    async fn send(&self, session: &Arc<Session>, send: &Dispatch, facts: TemplateFacts) -> Done<TemplateFacts> {
        let what = self.described(send, facts).await?;
        let post = Post { agent: self.agent.clone(), session: session.clone(), errand: send.errand };
        let mut tries = 1;
        loop {
            match post.put(&what, send, self.drivers.store.as_ref()).await? {
                Ok(facts) => return Ok(facts),
                Err(why) if tries == TRIES => {
                    return Err(DriverError::Failed(format!("the server did not take {} in: {why}", send.object)));
                }
                Err(why) => tracing::info!(object = send.object, why, "bringing an object to the server broke off and is tried again"),
            }
            tokio::time::sleep(PAUSE * 2_u32.pow(tries - 1)).await;
            tries += 1;
        }
    }

    /// What is sent, as its bytes are: a driver that keeps more than the bytes that it reads out (a simulated disk that grew) says
    /// facts of something else.
    async fn described(&self, send: &Dispatch, facts: TemplateFacts) -> Done<ObjectSpec> {
        let mut reader = self.drivers.store.open(&send.store, &send.object).await?;
        let made_up = reader.made_up;
        let spec = |facts| ObjectSpec { object: send.object.clone(), kind: send.kind, facts, made_up };
        if made_up || reader.bytes == facts.physical_bytes {
            return Ok(spec(facts));
        }
        let (mut digest, mut part) = (Sha256::new(), vec![0; PIPE]);
        loop {
            let n = reader.body.read(&mut part).await.map_err(|e| DriverError::Failed(format!("reading {}: {e}", send.object)))?;
            if n == 0 {
                break;
            }
            digest.update(&part[..n]);
        }
        let checksum = digest.finalize().iter().fold("{SHA-256}".to_owned(), |text, byte| format!("{text}{byte:02x}"));
        Ok(spec(TemplateFacts { physical_bytes: reader.bytes, checksum, ..facts }))
    }
}

/// The way to the server that asked.
struct Post {
    agent: Arc<Agent>,
    session: Arc<Session>,
    errand: u64,
}

/// What broke in a transfer, which may be tried again.
type Broken = String;

impl Post {
    /// One request on a connection of its own.
    async fn ask(&self, request: http::request::Builder, link: &str, body: Body) -> Result<Response<Incoming>, Broken> {
        tokio::select! {
            answer = self.request(request, link, body) => answer,
            // Nobody hears any more what comes of it.
            () = self.session.ended() => Err("the connection to the server has ended".to_owned()),
        }
    }

    async fn request(&self, request: http::request::Builder, link: &str, body: Body) -> Result<Response<Incoming>, Broken> {
        let told = |e: &dyn std::fmt::Display| e.to_string();
        let mut tls = self.agent.tls().map_err(|e| told(&e))?;
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let server = self.session.peer();
        let dialled = tokio::time::timeout(DIAL, dial(server, tls)).await.map_err(|_| "no answer to a connection".to_owned())?;
        let socket = dialled.map_err(|e| crate::agent::explained(&e))?;
        let (mut http, run) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.map_err(|e| told(&e))?;
        tokio::spawn(run);
        let request = request.uri(link).header(HOST, crate::ca::SERVER_NAME).body(body).map_err(|e| told(&e))?;
        http.send_request(request).await.map_err(|e| told(&e))
    }

    async fn link(&self) -> Done<String> {
        self.session.ask(Ask::Link { errand: self.errand }).await
    }

    /// Gets an object into the pipe, taking it up again where it broke off. A reader that has gone is not this one's trouble.
    async fn pump(&self, version: &str, mut to: DuplexStream) -> Done {
        let (mut at, mut tries) = (0_u64, 0);
        loop {
            let before = at;
            let why = match self.get(version, &mut at, &mut to).await? {
                Ok(()) => return Ok(()),
                Err(why) => why,
            };
            tries = if at > before { 1 } else { tries + 1 };
            if tries == TRIES {
                return Err(DriverError::Failed(format!("fetching from the server broke off after {at} bytes: {why}")));
            }
            tracing::info!(bytes = at, why, "fetching an object from the server broke off and is taken up again");
            tokio::time::sleep(PAUSE * 2_u32.pow(tries - 1)).await;
        }
    }

    async fn get(&self, version: &str, at: &mut u64, to: &mut DuplexStream) -> Done<Result<(), Broken>> {
        let mut request = Request::builder().method(Method::GET);
        if *at > 0 {
            request = request.header(RANGE, format!("bytes={at}-")).header(IF_RANGE, version);
        }
        let nothing = Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync();
        let answer = match self.ask(request, &self.link().await?, nothing).await {
            Ok(answer) => answer,
            Err(why) => return Ok(Err(why)),
        };
        let goes_on = format!("bytes {at}-");
        let range = answer.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match answer.status() {
            StatusCode::OK if *at == 0 => {}
            StatusCode::PARTIAL_CONTENT if range.starts_with(&goes_on) => {}
            status if status.is_success() => return Err(DriverError::Failed("the server does not go on where it stopped".into())),
            _ => return Err(refusal(answer).await),
        }
        let mut body = Box::pin(reader(answer.into_body()));
        let mut part = vec![0; PIPE / 4];
        loop {
            match body.read(&mut part).await {
                Ok(0) => return Ok(Ok(())),
                Ok(n) => match to.write_all(&part[..n]).await {
                    Ok(()) => *at += n as u64,
                    Err(_) => return Ok(Ok(())),
                },
                Err(e) => return Ok(Err(e.to_string())),
            }
        }
    }

    async fn put(&self, what: &ObjectSpec, send: &Dispatch, store: &dyn SecondaryStorage) -> Done<Result<TemplateFacts, Broken>> {
        let said = serde_json::to_string(what).map_err(|e| DriverError::Failed(e.to_string()))?;
        let (length, body): (u64, Body) = if what.made_up {
            (0, Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync())
        } else {
            let reader = store.open(&send.store, &send.object).await?;
            let bytes = ReaderStream::with_capacity(reader.body, PIPE).map_ok(Frame::data);
            (what.facts.physical_bytes, StreamBody::new(bytes).boxed_unsync())
        };
        let request = Request::builder().method(Method::PUT).header(OBJECT, said).header(CONTENT_LENGTH, length);
        let link = self.link().await?;
        let answer = match self.ask(request, &link, body).await {
            Ok(answer) => answer,
            Err(why) => return Ok(Err(why)),
        };
        if !answer.status().is_success() {
            return Err(refusal(answer).await);
        }
        let read = Limited::new(answer.into_body(), SENTENCE).collect().await;
        let facts = read.map_err(|e| e.to_string()).and_then(|all| serde_json::from_slice(&all.to_bytes()).map_err(|e| e.to_string()));
        Ok(facts)
    }
}

/// What the server said no with, as a driver's error.
async fn refusal(answer: Response<Incoming>) -> DriverError {
    let status = answer.status();
    let read = Limited::new(answer.into_body(), SENTENCE).collect().await;
    let why = read.map(|all| String::from_utf8_lossy(&all.to_bytes()).into_owned()).unwrap_or_default();
    match status {
        StatusCode::NOT_FOUND => DriverError::Missing(why.trim_end_matches(" is not there").to_owned()),
        StatusCode::INSUFFICIENT_STORAGE => DriverError::NoRoom(why),
        StatusCode::SERVICE_UNAVAILABLE => DriverError::Unreachable(why.trim_end_matches(" does not answer").to_owned()),
        _ => DriverError::Failed(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stratus_drivers::{ObjectKind, StoreDetails};

    #[tokio::test]
    async fn what_several_calls_need_goes_with_the_last_of_them() {
        let sim = stratus_sim::Sim::open(None).expect("a world");
        SecondaryStorage::connect(&*sim, "s", "cache://agent", &StoreDetails::new()).await.expect("connects");
        let facts = TemplateFacts { virtual_bytes: 1, physical_bytes: 1, checksum: "{SHA-256}1".into() };
        let what = ObjectSpec { object: "o".into(), kind: ObjectKind::Template, facts, made_up: true };
        let (lent, key) = (Lent::default(), ("s".to_owned(), "o".to_owned()));
        for _ in 0..2 {
            let (first, second) = (lent.join(&key), lent.join(&key));
            let mut here = first.lock().await;
            assert!(!*here, "what went is to be fetched again");
            sim.receive("s", &what, Box::pin(tokio::io::empty())).await.expect("is taken");
            *here = true;
            drop(here);
            assert!(*second.lock().await, "the second one finds it");
            lent.leave(&key, &*sim).await;
            assert_eq!(SecondaryStorage::list(&*sim, "s").await.expect("lists"), ["o"]);
            lent.leave(&key, &*sim).await;
            assert_eq!(SecondaryStorage::list(&*sim, "s").await.expect("lists"), Vec::<String>::new());
        }
        assert!(lent.all().is_empty());
    }
}
