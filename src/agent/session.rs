//! One connection at work, the same at both ends: calls out and their answers, calls in, streams, and signs of life.
use crate::ask::Ask;
use crate::wire::{self, CHUNK, Frame, Message};
use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stratus_drivers::{ByteStream, DriverError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

/// Silence after which a sign of life is sent.
const BEAT: Duration = Duration::from_secs(15);
/// Silence after which the other end counts as gone: the connection is closed, nothing else follows from it.
const GONE: Duration = Duration::from_secs(60);
/// How long the other end may take to accept what is written.
const STUCK: Duration = Duration::from_secs(60);
/// Frames of a stream that may be under way; more come as the reader takes them.
const WINDOW: usize = 32;
/// Frames that wait to be written.
const QUEUE: usize = 64;
/// Calls of the other end that may be at work at once.
const CALLS: usize = 1024;

type Outcome = Result<Value, DriverError>;

/// Does what the other end asks.
#[async_trait]
pub trait Serve: Send + Sync {
    /// One call; it may run beside others.
    async fn serve(&self, session: &Arc<Session>, ask: Ask) -> Outcome;
}

/// One end of a connection.
pub struct Session {
    /// Who is at the other end, for errors.
    peer: String,
    out: mpsc::Sender<Frame>,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Outcome>>>,
    streams: Mutex<HashMap<u64, Stream>>,
    closed: watch::Sender<bool>,
}

struct Stream {
    into: mpsc::Sender<Vec<u8>>,
    credit: Arc<Semaphore>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    /// Takes an open connection into work; the future ends with it and says why. Nothing runs until it is polled.
    pub fn start<S>(peer: &str, socket: S, server: Arc<dyn Serve>) -> (Arc<Self>, impl Future<Output = String> + Send + use<S>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (out, queue) = mpsc::channel(QUEUE);
        let session = Arc::new(Self {
            peer: peer.to_owned(),
            out,
            next: AtomicU64::new(1),
            waiting: Mutex::default(),
            streams: Mutex::default(),
            closed: watch::channel(false).0,
        });
        let run = session.clone().run(socket, queue, server);
        (session, run)
    }

    async fn run<S>(self: Arc<Self>, socket: S, queue: mpsc::Receiver<Frame>, server: Arc<dyn Serve>) -> String
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (read, write) = tokio::io::split(socket);
        let mut closed = self.closed.subscribe();
        let why = tokio::select! {
            why = self.listen(read, server) => why,
            why = speak(write, queue) => why,
            _ = closed.wait_for(|closed| *closed) => "closed here".to_owned(),
        };
        self.close();
        // Dropping the senders tells everybody who waits.
        lock(&self.waiting).clear();
        lock(&self.streams).clear();
        why
    }

    /// Ends the connection; calls under way are answered with `Unreachable`.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Who is at the other end; for an agent, the address of the server.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// Waits for its end.
    pub async fn ended(&self) {
        // The sender lives as long as we do.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// Whether it has ended.
    pub fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// Asks and waits for the answer, for as long as that kind of question may take.
    pub async fn ask<T: DeserializeOwned>(&self, ask: Ask) -> Result<T, DriverError> {
        let within = ask.deadline();
        self.ask_within(ask, within).await
    }

    /// Asks and waits for so long. What was under way when the connection ended, or took too long, may have been done or not.
    pub async fn ask_within<T: DeserializeOwned>(&self, ask: Ask, within: Duration) -> Result<T, DriverError> {
        let lost = || DriverError::Unreachable(self.peer.clone());
        let seq = self.next.fetch_add(1, Ordering::Relaxed);
        let (tell, answer) = oneshot::channel();
        lock(&self.waiting).insert(seq, tell);
        let _waiting = Waiting { session: self, seq };
        // After the entry: whoever closes later clears it, whoever closed before is seen here.
        if self.is_closed() {
            return Err(lost());
        }
        let asked = async {
            self.out.send(Frame::Message(Message::Call { seq, ask })).await.map_err(|_| lost())?;
            answer.await.map_err(|_| lost())?
        };
        let outcome = tokio::time::timeout(within, asked).await.map_err(|_| lost())??;
        serde_json::from_value(outcome).map_err(|e| DriverError::Failed(format!("{} answered what cannot be read: {e}", self.peer)))
    }

    async fn listen<R: AsyncRead + Unpin>(self: &Arc<Self>, from: R, server: Arc<dyn Serve>) -> String {
        let mut from = BufReader::new(from);
        let slots = Arc::new(Semaphore::new(CALLS));
        loop {
            let frame = match tokio::time::timeout(GONE, wire::read(&mut from)).await {
                Err(_) => return format!("{} seconds of silence", GONE.as_secs()),
                Ok(Err(e)) => return e.to_string(),
                Ok(Ok(None)) => return "closed at the other end".to_owned(),
                Ok(Ok(Some(frame))) => frame,
            };
            match frame {
                Frame::Data { stream, bytes } => self.arrived(stream, bytes),
                Frame::Message(Message::Beat) => {}
                Frame::Message(Message::Answer { seq, outcome }) => {
                    if let Some(tell) = lock(&self.waiting).remove(&seq) {
                        let _ = tell.send(outcome);
                    }
                }
                Frame::Message(Message::Credit { stream, frames }) => {
                    if let Some(stream) = lock(&self.streams).get(&stream) {
                        stream.credit.add_permits(frames.min(WINDOW));
                    }
                }
                Frame::Message(Message::Call { seq, ask }) => {
                    let Ok(slot) = slots.clone().try_acquire_owned() else { return "too many calls at once".to_owned() };
                    let (session, server) = (self.clone(), server.clone());
                    // Carried out to its end even when the connection ends meanwhile: half a start is worse than an unheard answer.
                    tokio::spawn(async move {
                        let outcome = server.serve(&session, ask).await;
                        drop(slot);
                        let _ = session.out.send(Frame::Message(Message::Answer { seq, outcome })).await;
                    });
                }
                Frame::Message(_) => return "a greeting in the middle".to_owned(),
            }
        }
    }

    /// The number of a stream that this end opens.
    pub fn stream_number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Carries a stream of this number: what is read from `io` goes to the other end and the other way round, until either side ends.
    pub fn stream(self: &Arc<Self>, number: u64, io: ByteStream) {
        let (into, from) = mpsc::channel(WINDOW + 1);
        let credit = Arc::new(Semaphore::new(WINDOW));
        lock(&self.streams).insert(number, Stream { into, credit: credit.clone() });
        let session = self.clone();
        tokio::spawn(async move {
            let (read, write) = tokio::io::split(io);
            tokio::select! {
                () = session.outward(number, read, credit) => {}
                () = session.inward(number, write, from) => {}
            }
            lock(&session.streams).remove(&number);
            let _ = session.out.send(Frame::Data { stream: number, bytes: Vec::new() }).await;
        });
    }

    /// Forgets a stream that the other end could not open.
    pub fn stream_end(&self, number: u64) {
        lock(&self.streams).remove(&number);
    }

    async fn outward<R: AsyncRead + Unpin>(&self, stream: u64, mut from: R, credit: Arc<Semaphore>) {
        let mut buffer = vec![0; CHUNK];
        loop {
            let Ok(permit) = credit.acquire().await else { return };
            permit.forget();
            match from.read(&mut buffer).await {
                Ok(n) if n > 0 => {
                    let bytes = buffer[..n].to_vec();
                    if self.out.send(Frame::Data { stream, bytes }).await.is_err() {
                        return;
                    }
                }
                _ => return,
            }
        }
    }

    async fn inward<W: AsyncWrite + Unpin>(&self, stream: u64, mut to: W, mut from: mpsc::Receiver<Vec<u8>>) {
        while let Some(bytes) = from.recv().await {
            if bytes.is_empty() || to.write_all(&bytes).await.is_err() || to.flush().await.is_err() {
                return;
            }
            if self.out.send(Frame::Message(Message::Credit { stream, frames: 1 })).await.is_err() {
                return;
            }
        }
    }

    fn arrived(&self, number: u64, bytes: Vec<u8>) {
        let mut streams = lock(&self.streams);
        // One that sends more than it has credit for loses its stream, nobody else.
        if streams.get(&number).is_some_and(|stream| stream.into.try_send(bytes).is_err()) {
            streams.remove(&number);
        }
    }
}

/// A question without an answer yet; dropping it forgets the question.
struct Waiting<'s> {
    session: &'s Session,
    seq: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(&self.session.waiting).remove(&self.seq);
    }
}

async fn speak<W: AsyncWrite + Unpin>(to: W, mut queue: mpsc::Receiver<Frame>) -> String {
    let mut to = BufWriter::new(to);
    loop {
        let frame = match tokio::time::timeout(BEAT, queue.recv()).await {
            Err(_) => Frame::Message(Message::Beat),
            Ok(Some(frame)) => frame,
            Ok(None) => return "nobody left here".to_owned(),
        };
        let written = async {
            wire::write(&mut to, &frame).await?;
            // What waits already goes out together.
            while let Ok(more) = queue.try_recv() {
                wire::write(&mut to, &more).await?;
            }
            to.flush().await
        };
        match tokio::time::timeout(STUCK, written).await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => return e.to_string(),
            Err(_) => return io::Error::from(io::ErrorKind::TimedOut).to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    /// Gives back what comes by a stream, and never answers a ping.
    struct Echo;

    #[async_trait]
    impl Serve for Echo {
        async fn serve(&self, session: &Arc<Session>, ask: Ask) -> Outcome {
            match ask {
                Ask::Screen { stream, .. } => {
                    let (near, far) = duplex(CHUNK);
                    session.stream(stream, Box::new(near));
                    tokio::spawn(async move {
                        let (mut read, mut write) = tokio::io::split(far);
                        tokio::io::copy(&mut read, &mut write).await
                    });
                    Ok(Value::Null)
                }
                Ask::Networks => Ok(serde_json::json!(["n"])),
                _ => std::future::pending().await,
            }
        }
    }

    fn pair() -> (Arc<Session>, Arc<Session>) {
        let (here, there) = duplex(4096);
        let (a, run_a) = Session::start("there", here, Arc::new(Echo));
        let (b, run_b) = Session::start("here", there, Arc::new(Echo));
        tokio::spawn(run_a);
        tokio::spawn(run_b);
        (a, b)
    }

    fn screen(stream: u64) -> Ask {
        Ask::Screen { host: "h".into(), vm: "v".into(), stream }
    }

    #[tokio::test]
    async fn a_stream_carries_more_than_its_window_while_calls_go_on() {
        let (session, _other) = pair();
        let (mut near, far) = duplex(CHUNK);
        let stream = session.stream_number();
        session.stream(stream, Box::new(far));
        session.ask::<()>(screen(stream)).await.expect("opened");
        // Four windows, and nobody reads yet: the writer has to wait, calls do not.
        let sent: Vec<u8> = (0..4 * WINDOW * CHUNK).map(|n| (n % 251) as u8).collect();
        let (mut read, mut write) = tokio::io::split(&mut near);
        let writes = async { write.write_all(&sent).await.expect("written") };
        let mut came = vec![0; sent.len()];
        let reads = async {
            session.ask::<Vec<String>>(Ask::Networks).await.expect("a call beside a full stream");
            read.read_exact(&mut came).await.expect("read");
        };
        tokio::join!(writes, reads);
        assert!(came == sent, "what came is not what went");
    }

    #[tokio::test]
    async fn a_lost_connection_answers_every_question_and_ends_every_stream() {
        let (session, other) = pair();
        let (mut near, far) = duplex(CHUNK);
        let stream = session.stream_number();
        session.stream(stream, Box::new(far));
        session.ask::<()>(screen(stream)).await.expect("opened");
        let asked = tokio::spawn({
            let session = session.clone();
            async move { session.ask::<()>(Ask::HostPing { host: "h".into() }).await }
        });
        session.ask::<Vec<String>>(Ask::Networks).await.expect("a call behind it");
        other.close();
        assert!(matches!(asked.await.expect("ends"), Err(DriverError::Unreachable(_))));
        assert_eq!(near.read(&mut [0; 8]).await.expect("ends in good order"), 0);
        assert!(matches!(session.ask::<()>(Ask::Networks).await, Err(DriverError::Unreachable(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_nobody_answers_ends_at_its_deadline() {
        let (session, _other) = pair();
        let outcome = session.ask::<()>(Ask::HostPing { host: "h".into() }).await;
        assert!(matches!(outcome, Err(DriverError::Unreachable(_))));
        assert!(!session.is_closed(), "the connection lives: both ends give signs of life");
    }
}
