//! A connection on a thread of its own.
use super::Turn;
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::oneshot;
use virt::connect::Connect;
use virt::error::{Error, ErrorNumber};

/// Longest wait for an answer: starting a domain on a busy machine and moving one take long, nothing takes this long.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);
/// Longest wait for a sign of life from a connection that was idle; then another one is opened.
const SIGN: Duration = Duration::from_secs(10);

type Work = Box<dyn FnOnce(&Connect) + Send>;

/// Why a call did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// The daemon is not there, or the connection broke in the middle of a call.
    #[error("libvirt: {0}")]
    Lost(String),
    /// The daemon says no.
    #[error("libvirt: {text}")]
    Refused { code: ErrorNumber, text: String },
}

impl Problem {
    /// There is no such domain.
    pub fn no_domain(&self) -> bool {
        matches!(self, Self::Refused { code: ErrorNumber::NoDomain, .. })
    }
    /// What libvirt says of a domain that went away or off in between.
    pub fn invalid_now(&self) -> bool {
        matches!(self, Self::Refused { code: ErrorNumber::OperationInvalid, .. })
    }
    /// The library tells a daemon's "no" and a broken connection alike; whether the connection still stands tells them apart.
    fn of(connect: &Connect, error: &Error) -> Self {
        let text = error.message().to_owned();
        if connect.is_alive() == Ok(true) { Self::Refused { code: error.code(), text } } else { Self::Lost(text) }
    }
}

/// A connection on which `qemu:///system` is open. Its thread ends, and closes it, when this goes and no call is under way.
pub(crate) struct Conn {
    work: mpsc::Sender<Work>,
    turn: Option<Turn>,
}

impl Conn {
    pub(super) async fn open(uri: String, turn: Turn) -> Result<Self, Problem> {
        let (work, todo) = mpsc::channel::<Work>();
        let (said, answer) = oneshot::channel();
        let held = turn.clone();
        let thread = std::thread::Builder::new().name("libvirt".into()).spawn(move || {
            let opened = Connect::open(Some(&uri));
            drop(held);
            match opened {
                Ok(connect) => {
                    // Nobody listens any more: there will be nothing to do either.
                    let _ = said.send(Ok(()));
                    todo.into_iter().for_each(|work| work(&connect));
                }
                Err(error) => {
                    let _ = said.send(Err(Problem::Lost(error.message().to_owned())));
                }
            }
        });
        thread.map_err(|e| Problem::Lost(format!("no thread for a connection: {e}")))?;
        patient(PATIENCE, answer).await?;
        Ok(Self { work, turn: Some(turn) })
    }

    /// This connection with leave for calls.
    pub(super) fn with_turn(self, turn: Turn) -> Self {
        Self { turn: Some(turn), ..self }
    }

    /// This connection while nobody uses it.
    pub(super) fn resting(self) -> Self {
        Self { turn: None, ..self }
    }

    /// Whether the daemon still answers on it.
    pub(super) async fn answers(&mut self) -> bool {
        self.call_within(SIGN, |connect| connect.get_lib_version()).await.is_ok()
    }

    /// Does something with the library on the connection's thread.
    pub(super) async fn call<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Connect) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Problem> {
        self.call_within(PATIENCE, work).await
    }

    async fn call_within<T: Send + 'static>(
        &mut self,
        limit: Duration,
        work: impl FnOnce(&Connect) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Problem> {
        let (said, answer) = oneshot::channel();
        let turn = self.turn.clone();
        let work = move |connect: &Connect| {
            let done = work(connect).map_err(|error| Problem::of(connect, &error));
            drop(turn);
            // Nobody may be waiting any more.
            let _ = said.send(done);
        };
        self.work.send(Box::new(work)).map_err(|_| ended())?;
        patient(limit, answer).await
    }
}

fn ended() -> Problem {
    Problem::Lost("the thread of a connection ended".into())
}

async fn patient<T>(limit: Duration, answer: oneshot::Receiver<Result<T, Problem>>) -> Result<T, Problem> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer.map_err(|_| ended())?,
        Err(_) => Err(Problem::Lost(format!("no answer for {} s", limit.as_secs()))),
    }
}
