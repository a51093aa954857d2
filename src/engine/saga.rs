//! Sagas: an operation as named steps, the undo beside the step.
//!
//! The plan (what the steps decided) is saved after each step under the job's key. A step may run twice - after a crash the one that
//! was under way runs again - so it finds its own earlier work; an undo frees even what it never heard of. When a step fails, it and
//! all before it are undone in reverse order and the error is the job's. A saga that was finished answers with its plan at once.
//!
//! Saving is a transaction. A step that writes to the database anyway saves itself in its own (`[own]`): one commit instead of two, and
//! what it did and that it did it are durable together. A step that costs less to repeat than to write down (`[light]`) is not saved: a
//! crash after it repeats it with those that follow.
use crate::Call;
use serde::Serialize;
use serde::de::DeserializeOwned;
use stratus_model::{Error, Result};
use stratus_store::{Boxed, JobStep, Query, Tx};

/// A step or an undo.
pub type StepFn<P> = for<'a> fn(&'a Call, &'a mut P) -> Boxed<'a, ()>;
/// A step that saves itself: the key that [`Mark::write`] gave it, or none where it wrote nothing.
pub type OwnFn<P> = for<'a> fn(&'a Call, &'a mut P, Mark) -> Boxed<'a, Option<i64>>;

/// What a step does, and how that it is done is saved.
pub enum Work<P: 'static> {
    /// Saved after it.
    Plain(StepFn<P>),
    /// Saved with the next one that is.
    Light(StepFn<P>),
    /// Saves itself. Nothing that can fail comes after its transaction.
    Own(OwnFn<P>),
}

/// That a step is done, for the step to write in its own transaction.
#[derive(Clone)]
pub struct Mark(JobStep);

impl Mark {
    /// Writes that the step is done, and what is decided so far; the key of the saga's row.
    pub async fn write<P: Serialize>(mut self, tx: &mut Tx, plan: &P) -> Result<i64> {
        self.0.plan = serde_json::to_string(plan).map_err(Error::internal)?;
        write(tx, self.0).await
    }
}

/// One step of a saga.
pub struct Step<P: 'static> {
    /// Its name, for the log.
    pub name: &'static str,
    /// Does it.
    pub work: Work<P>,
    /// Takes it back.
    pub undo: Option<StepFn<P>>,
}

/// A recipe.
pub struct Saga<P: 'static> {
    /// Its name, unique; part of the key under which its plan is saved.
    pub name: &'static str,
    /// The steps in order.
    pub steps: &'static [Step<P>],
}

/// Writes a saga down: `saga!("vm-start": [own] reserve undo release, [light] boot undo power_off, finish)`.
#[macro_export]
macro_rules! saga {
    ($name:literal: $($([$kind:ident])? $run:ident $(undo $undo:ident)?),+ $(,)?) => {
        $crate::saga::Saga { name: $name, steps: &[$(
            $crate::saga::Step {
                name: stringify!($run),
                work: $crate::saga!(@work $($kind)? $run),
                undo: $crate::saga!(@undo $($undo)?),
            }
        ),+] }
    };
    (@work own $run:ident) => { $crate::saga::Work::Own(|call, plan, mark| Box::pin($run(call, plan, mark))) };
    (@work light $run:ident) => { $crate::saga::Work::Light(|call, plan| Box::pin($run(call, plan))) };
    (@work $run:ident) => { $crate::saga::Work::Plain(|call, plan| Box::pin($run(call, plan))) };
    (@undo) => { None };
    (@undo $undo:ident) => { Some(|call, plan| Box::pin($undo(call, plan))) };
}

/// How often an undo is tried before it is left to the reconcilers.
const UNDO_TRIES: usize = 3;

/// What of an error outlives the process.
#[derive(serde::Serialize, serde::Deserialize)]
struct Remembered {
    api: u16,
    cs: u16,
    text: String,
}

impl<P: Serialize + DeserializeOwned + Send + Sync + 'static> Saga<P> {
    /// Runs the saga for the call's job, or goes on where an earlier life of this job left it. `attempt` tells apart several runs of
    /// one saga in one job.
    pub async fn run(&self, call: &Call, attempt: u32, plan: P) -> Result<P> {
        let job = call.job.ok_or_else(|| Error::internal(format!("saga {} outside a job", self.name)))?;
        let key = format!("{}#{attempt}", self.name);
        let mut plan = plan;
        let mut at = match call.db.find_one::<JobStep>(Query::all().eq("job_id", job).eq("saga", key.as_str())).await? {
            Some(s) => {
                plan = serde_json::from_str(&s.plan).map_err(Error::internal)?;
                s
            }
            None => JobStep { job_id: job, saga: key, ..Default::default() },
        };
        if !at.backward {
            match self.forward(call, &mut at, &mut plan).await {
                Ok(()) => return Ok(plan),
                Err(e) => {
                    tracing::info!(job, saga = self.name, step = self.steps[at.step as usize].name, error = %stratus_model::in_full(&e), "unwinding");
                    at.backward = true;
                    at.step += 1;
                    let codes = e.codes();
                    let kept = Remembered { api: codes.api, cs: codes.cs, text: e.to_string() };
                    at.error = Some(serde_json::to_string(&kept).map_err(Error::internal)?);
                    self.save_or_log(call, &mut at, &plan).await;
                    self.backward(call, &mut at, &mut plan).await;
                    return Err(e);
                }
            }
        }
        self.backward(call, &mut at, &mut plan).await;
        let kept: Remembered = serde_json::from_str(at.error.as_deref().unwrap_or_default()).map_err(Error::internal)?;
        Err(Error::Replayed { api: kept.api, cs: kept.cs, text: kept.text })
    }

    async fn forward(&self, call: &Call, at: &mut JobStep, plan: &mut P) -> Result<()> {
        while let Some(step) = self.steps.get(at.step as usize) {
            let mut done = JobStep { step: at.step + 1, done: at.step as usize + 1 == self.steps.len(), ..at.clone() };
            match &step.work {
                Work::Plain(run) => {
                    run(call, plan).await?;
                    self.save(call, &mut done, plan).await?;
                }
                Work::Light(run) => {
                    run(call, plan).await?;
                    if done.done {
                        self.save(call, &mut done, plan).await?;
                    }
                }
                Work::Own(run) => {
                    done.updated = call.now();
                    done.id = run(call, plan, Mark(done.clone())).await?.unwrap_or(done.id);
                }
            }
            *at = done;
        }
        Ok(())
    }

    async fn backward(&self, call: &Call, at: &mut JobStep, plan: &mut P) {
        while at.step > 0 {
            let step = &self.steps[at.step as usize - 1];
            if let Some(undo) = step.undo {
                let mut tries = 0;
                while let Err(e) = undo(call, plan).await {
                    tries += 1;
                    tracing::warn!(job = at.job_id, saga = self.name, step = step.name, error = %stratus_model::in_full(&e), tries, "an undo failed");
                    if tries == UNDO_TRIES {
                        break;
                    }
                }
            }
            at.step -= 1;
            self.save_or_log(call, at, plan).await;
        }
    }

    /// Saves on the way back. What cannot be written down (a full disk) is undone all the same.
    async fn save_or_log(&self, call: &Call, at: &mut JobStep, plan: &P) {
        if let Err(e) = self.save(call, at, plan).await {
            tracing::warn!(job = at.job_id, saga = self.name, error = %stratus_model::in_full(&e), "where an unwinding stands was not saved");
        }
    }

    async fn save(&self, call: &Call, at: &mut JobStep, plan: &P) -> Result<()> {
        at.plan = serde_json::to_string(plan).map_err(Error::internal)?;
        at.updated = call.now();
        let row = at.clone();
        at.id = call.db.write(move |tx| Box::pin(async move { write(tx, row).await })).await?;
        Ok(())
    }
}

/// Writes where a saga stands; its key.
async fn write(tx: &mut Tx, mut row: JobStep) -> Result<i64> {
    if row.id == 0 {
        return tx.insert(&mut row).await;
    }
    let set = vec![
        ("step", row.step.into()),
        ("backward", row.backward.into()),
        ("plan", row.plan.into()),
        ("error", row.error.into()),
        ("done", row.done.into()),
        ("updated", row.updated.into()),
    ];
    tx.set::<JobStep>(row.id, set).await?;
    Ok(row.id)
}
