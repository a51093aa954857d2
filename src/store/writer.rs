//! The one writer of an embedded database: takes what waits, runs each piece in its own savepoint, commits once, then answers all.
use crate::Boxed;
use crate::tx::{Inner, Tx};
use sqlx::sqlite::SqlitePool;
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use stratus_model::{Error, Result};
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
pub(crate) async fn serve(pool: SqlitePool, mut queue: mpsc::Receiver<Piece>, written: Arc<AtomicU64>) {
    let mut waiting = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut waiting, BATCH).await > 0 {
        let pieces = std::mem::take(&mut waiting);
        metrics::histogram!("stratus_store_batch").record(pieces.len() as f64);
        let (answers, outcome) = batch(&pool, pieces).await;
        // Before anybody hears of it: whoever does must not be served what was kept from before.
        written.fetch_add(1, Ordering::Release);
        match outcome {
            Ok(()) => answers.into_iter().for_each(|(to, result)| drop(to.send(result))),
            Err(e) => {
                tracing::error!(error = %e, cause = ?std::error::Error::source(&e).map(ToString::to_string), "a batch of writes did not become durable");
                for (to, result) in answers {
                    // What was refused stays refused; what was done is undone with the batch.
                    let _ = to.send(result.and_then(|_| Err(Error::internal("the write did not become durable"))));
                }
            }
        }
    }
}

type Answers = Vec<(oneshot::Sender<Result<Out>>, Result<Out>)>;

async fn batch(pool: &SqlitePool, pieces: Vec<Piece>) -> (Answers, Result<()>) {
    let mut answers = Vec::with_capacity(pieces.len());
    let fail = |pieces: Vec<Piece>, e: Error| (pieces.into_iter().map(|p| (p.answer, Ok(Box::new(()) as Out))).collect(), Err(e));
    let conn = match pool.acquire().await {
        Ok(c) => c,
        Err(e) => return fail(pieces, Error::internal(e)),
    };
    let mut tx = Tx { inner: Inner::Lite(conn) };
    if let Err(e) = tx.raw("begin immediate").await {
        return fail(pieces, e);
    }
    for piece in pieces {
        let result = one(&mut tx, piece.work).await;
        answers.push((piece.answer, result));
    }
    let mut outcome = tx.raw("commit").await;
    if outcome.is_err() {
        // A full disk ends here: nothing of the batch stands, and the connection must not keep the lock.
        if let Err(e) = tx.raw("rollback").await {
            tracing::warn!(error = %e, "rollback after a failed commit");
        }
        outcome = outcome.map_err(|e| Error::internal(e.to_string()));
    }
    (answers, outcome)
}

async fn one(tx: &mut Tx, work: Work) -> Result<Out> {
    tx.raw("savepoint piece").await?;
    let result = work(tx).await;
    if result.is_err() {
        tx.raw("rollback to piece").await?;
    }
    tx.raw("release piece").await?;
    result
}
