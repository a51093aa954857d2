//! The one writer of an embedded database: a thread that takes what waits, runs each piece in its own savepoint, commits once, then
//! answers all.
//!
//! Pieces are futures because those of a server are; here every statement is done when it returns, so that a piece runs through on the
//! thread without ever waiting.
use crate::Boxed;
use crate::lite;
use crate::memory::Memory;
use crate::tx::{Inner, Tx};
use rusqlite::Connection;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use stratus_model::{Error, Result, in_full};
use tokio::sync::{mpsc, oneshot};

/// Pieces of work in one transaction at most. Larger batches win little and make the first in line wait.
const BATCH: usize = 128;

type Out = Box<dyn Any + Send>;
pub(crate) type Work = Box<dyn for<'t> FnOnce(&'t mut Tx) -> Boxed<'t, Out> + Send>;

pub(crate) struct Piece {
    pub work: Work,
    pub answer: oneshot::Sender<Result<Out>>,
}

/// Serves until every [`crate::Db`] handle is gone.
pub(crate) fn serve(connection: Connection, mut queue: mpsc::Receiver<Piece>, memory: Arc<Memory>) {
    let mut tx = Tx { inner: Inner::Lite(connection), changed: Default::default() };
    let mut waiting = Vec::with_capacity(BATCH);
    while queue.blocking_recv_many(&mut waiting, BATCH) > 0 {
        metrics::histogram!("stratus_store_batch").record(waiting.len() as f64);
        let (answers, outcome) = batch(&mut tx, waiting.drain(..));
        // Before anybody hears of it: whoever does must not be served what was kept from before.
        memory.changed(&mut tx.changed);
        match outcome {
            Ok(()) => answers.into_iter().for_each(|(to, result)| drop(to.send(result))),
            Err(e) => {
                let why = in_full(&e);
                tracing::error!(error = %why, "a batch of writes did not become durable");
                for (to, result) in answers {
                    // What was refused stays refused; what was done is undone with the batch.
                    let _ = to.send(result.and_then(|_| Err(Error::internal(format!("the write did not become durable: {why}")))));
                }
            }
        }
    }
}

type Answers = Vec<(oneshot::Sender<Result<Out>>, Result<Out>)>;

fn raw(tx: &Tx, sql: &str) -> Result<()> {
    match &tx.inner {
        Inner::Lite(c) => lite::execute(c, sql, &[]).map(drop),
        Inner::My(_) => Err(Error::internal("the writer is SQLite's")),
    }
}

fn batch(tx: &mut Tx, pieces: impl Iterator<Item = Piece>) -> (Answers, Result<()>) {
    if let Err(e) = raw(tx, "begin immediate") {
        return (pieces.map(|p| (p.answer, Ok(Box::new(()) as Out))).collect(), Err(e));
    }
    let answers = pieces.map(|piece| (piece.answer, one(tx, piece.work))).collect();
    let outcome = raw(tx, "commit");
    if outcome.is_err() {
        // A full disk ends here: nothing of the batch stands, and the connection must not keep the lock.
        if let Err(e) = raw(tx, "rollback") {
            tracing::warn!(error = %in_full(&e), "rollback after a failed commit");
        }
    }
    (answers, outcome)
}

fn one(tx: &mut Tx, work: Work) -> Result<Out> {
    raw(tx, "savepoint piece")?;
    // A mistake in one piece is that piece's: the others of the batch and the writer go on.
    let done = catch_unwind(AssertUnwindSafe(|| match work(tx).as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(Error::internal("a piece of work for the database waits for something else")),
    }));
    let result = done.unwrap_or_else(|_| Err(Error::internal("a piece of work for the database panicked")));
    if result.is_err() {
        raw(tx, "rollback to piece")?;
    }
    raw(tx, "release piece")?;
    result
}
