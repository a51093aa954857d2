//! Jobs: work that outlives the request that asked for it.
//!
//! A job's row is written in the transaction of the thing it works on; from then on it will end, whatever happens to the process.
//! Jobs of one queue (one VM, one network) run in the order of their keys, different queues in parallel. A restarted server takes up
//! what is pending: the command runs again, and its sagas go on from their last saved step.
use crate::{Call, Engine, Level, Topic};
use async_trait::async_trait;
use futures::FutureExt;
use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use stratus_model::{Caller, Error, JobStatus, Kind, Result, Source};
use stratus_store::{Account, Event, Job, Query, Tx, User};
use tokio::sync::{Semaphore, broadcast};
use tracing::Instrument;
use uuid::Uuid;

/// Jobs at work at the same time in one process.
const AT_ONCE: usize = 256;

/// Runs a job's command: the native door's registry, handed over at start.
#[async_trait]
pub trait Execute: Send + Sync {
    /// Carries the job out and answers with its result as JSON text.
    async fn execute(&self, engine: Arc<Engine>, caller: Arc<Caller>, job: &Job) -> Result<String>;
}

/// A job about to be written.
#[derive(Debug, Clone)]
pub struct JobDraft {
    /// The native command.
    pub command: &'static str,
    /// Its parameters as a JSON map.
    pub parameters: String,
    /// Its event type.
    pub event: &'static str,
    /// A sentence for its events: `stopping VM`. What kind of thing it is about is added, unless it says so itself: `stopping VM: web1`.
    pub description: String,
}

impl JobDraft {
    /// Writes the job and its Scheduled event. It starts when [`Engine::job_start`] is called after the commit.
    pub async fn insert(self, tx: &mut Tx, call: &Call, topic: Topic) -> Result<Job> {
        self.insert_behind(tx, call, topic, topic).await
    }

    /// As [`JobDraft::insert`], but in the queue of another thing: a snapshot is taken when nothing else is at work on its volume.
    pub async fn insert_behind(self, tx: &mut Tx, call: &Call, topic: Topic, first: Topic) -> Result<Job> {
        let text = match self.description.contains(": ") {
            true => self.description,
            false => format!("{}: {}", self.description, topic.kind.noun()),
        };
        let start = call.write_event(tx, self.event, Level::Info, "Scheduled", topic, text, None).await?;
        let queue = match first.id {
            0 => format!("job-{}", Uuid::new_v4()),
            id => queue_of(first.kind, id),
        };
        let mut job = Job {
            uuid: Uuid::new_v4().to_string(),
            command: self.command.into(),
            parameters: self.parameters,
            user_id: call.caller.user_id,
            account_id: call.caller.account_id,
            domain_id: call.caller.domain_id,
            instance_type: Some(topic.kind.instance_type().into()),
            instance_id: Some(topic.id),
            queue,
            start_event_id: Some(start),
            server_id: Some(call.server.id),
            epoch: call.server.epoch,
            created: call.now(),
            ..Default::default()
        };
        tx.insert(&mut job).await?;
        Ok(job)
    }
}

/// The queue of the jobs on a thing.
pub(crate) fn queue_of(kind: Kind, id: i64) -> String {
    format!("{}-{id}", kind.instance_type())
}

/// Jobs at work in this process.
pub struct Jobs {
    queues: Mutex<HashMap<String, VecDeque<i64>>>,
    slots: Arc<Semaphore>,
    executor: OnceLock<Arc<dyn Execute>>,
    ended: broadcast::Sender<i64>,
    draining: std::sync::atomic::AtomicBool,
    idle: tokio::sync::Notify,
}

impl Jobs {
    pub(crate) fn new() -> Self {
        Self {
            queues: Mutex::default(),
            slots: Arc::new(Semaphore::new(AT_ONCE)),
            executor: OnceLock::new(),
            ended: broadcast::channel(4096).0,
            draining: false.into(),
            idle: tokio::sync::Notify::new(),
        }
    }
    fn queues(&self) -> std::sync::MutexGuard<'_, HashMap<String, VecDeque<i64>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Puts a job behind its queue; true when it is the first and must be started.
    fn enter(&self, queue: &str, job: i64) -> bool {
        let mut queues = self.queues();
        match queues.get_mut(queue) {
            Some(waiting) => {
                waiting.push_back(job);
                false
            }
            None => {
                queues.insert(queue.to_owned(), VecDeque::new());
                true
            }
        }
    }
    /// The next job of a queue; the queue goes when there is none.
    fn leave(&self, queue: &str) -> Option<i64> {
        let mut queues = self.queues();
        let next = if self.draining.load(std::sync::atomic::Ordering::SeqCst) { None } else { queues.get_mut(queue)?.pop_front() };
        if next.is_none() {
            queues.remove(queue);
            if queues.is_empty() {
                self.idle.notify_waiters();
            }
        }
        next
    }
    /// How many queues have work.
    pub fn busy(&self) -> usize {
        self.queues().len()
    }
}

impl Engine {
    /// Hands over what runs commands, and takes up the jobs that an earlier life of this server left.
    pub async fn jobs_start(self: &Arc<Self>, executor: Arc<dyn Execute>) -> Result<()> {
        // A second call would be a mistake of `main`; the first executor stays.
        let _ = self.jobs.executor.set(executor);
        let left = self.db.find::<Job>(Query::live().eq("status", 0).eq("server_id", self.server.id)).await?;
        if !left.is_empty() {
            tracing::info!(jobs = left.len(), "taking up jobs that were left");
        }
        left.iter().for_each(|job| self.job_start(job));
        Ok(())
    }

    /// Starts a job whose row is committed, or puts it behind those of its queue.
    pub fn job_start(self: &Arc<Self>, job: &Job) {
        metrics::counter!("stratus_jobs_started").increment(1);
        if self.jobs.enter(&job.queue, job.id) {
            let (engine, queue, first) = (self.clone(), job.queue.clone(), job.id);
            tokio::spawn(async move {
                let mut next = Some(first);
                while let Some(id) = next {
                    if !engine.jobs.draining.load(std::sync::atomic::Ordering::SeqCst) {
                        engine.run_job(id).await;
                    }
                    next = engine.jobs.leave(&queue);
                }
            });
        }
    }

    /// Lets jobs under way end for at most `patience`; what has not begun stays pending for the next start.
    pub async fn jobs_drain(&self, patience: std::time::Duration) {
        self.jobs.draining.store(true, std::sync::atomic::Ordering::SeqCst);
        let idle = async {
            loop {
                let waiting = self.jobs.idle.notified();
                if self.jobs.busy() == 0 {
                    return;
                }
                waiting.await;
            }
        };
        if tokio::time::timeout(patience, idle).await.is_err() {
            tracing::warn!(queues = self.jobs.busy(), "jobs still at work are left to the next start");
        }
    }

    async fn run_job(self: &Arc<Self>, id: i64) {
        let Ok(_slot) = self.jobs.slots.clone().acquire_owned().await else { return };
        let span = tracing::info_span!("job", id);
        let outcome = AssertUnwindSafe(self.carry_out(id).instrument(span.clone())).catch_unwind().await;
        let _in = span.enter();
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(e)) => {
                tracing::error!(error = %stratus_model::in_full(&e), "a job's end was not written")
            }
            Err(_) => tracing::error!("a job panicked; it stays pending and is taken up at the next start"),
        }
        let _ = self.jobs.ended.send(id);
    }

    async fn carry_out(self: &Arc<Self>, id: i64) -> Result<()> {
        let job = self.db.must::<Job>(id).await?;
        if job.status != JobStatus::Pending.number() {
            return Ok(());
        }
        let user = self.db.must::<User>(job.user_id).await?;
        let caller = Arc::new(self.caller_of(&user, Source::System).await?);
        let call = Call::new(self.clone(), caller.clone(), "", None).in_job(id);
        let scheduled = match job.start_event_id {
            Some(e) => self.db.get::<Event>(e).await?,
            None => None,
        };
        let topic = self.job_topic(&job, scheduled.as_ref()).await?;
        let Some(executor) = self.jobs.executor.get().cloned() else { return Err(Error::internal("no executor")) };
        self.job_event(&call, scheduled.as_ref(), topic, Level::Info, "Started", None).await?;
        let result = executor.execute(self.clone(), caller, &job).await;
        self.job_end(&call, job, scheduled, topic, result).await
    }

    async fn job_event(
        &self,
        call: &Call,
        scheduled: Option<&Event>,
        topic: Topic,
        level: Level,
        state: &'static str,
        why: Option<String>,
    ) -> Result<()> {
        let Some(first) = scheduled.cloned() else { return Ok(()) };
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let text = why.unwrap_or(first.description);
                    call.write_event(tx, &first.event_type, level, state, topic, text, Some(first.id)).await.map(drop)
                })
            })
            .await
    }

    /// Writes the end of a job and its Completed event in one transaction.
    async fn job_end(&self, call: &Call, job: Job, scheduled: Option<Event>, topic: Topic, result: Result<String>) -> Result<()> {
        let (status, code, text, level, why) = match result {
            Ok(text) => (JobStatus::Succeeded, 0, text, Level::Info, None),
            Err(e) => {
                tracing::warn!(job = job.id, command = job.command, error = %stratus_model::in_full(&e), "a job failed");
                let codes = e.codes();
                let text = serde_json::json!({ "errorcode": codes.api, "cserrorcode": codes.cs, "errortext": e.to_string() }).to_string();
                (JobStatus::Failed, 530, text, Level::Error, Some(e.to_string()))
            }
        };
        metrics::counter!("stratus_jobs_ended", "status" => if code == 0 { "succeeded" } else { "failed" }).increment(1);
        let (call, now) = (call.clone(), self.clock.now());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let set = vec![
                        ("status", status.number().into()),
                        ("result_code", code.into()),
                        ("result", text.into()),
                        ("finished", now.into()),
                    ];
                    tx.set::<Job>(job.id, set).await?;
                    if let Some(first) = scheduled {
                        let text = match why {
                            Some(w) => format!("{}, failed: {w}", first.description),
                            None => first.description.clone(),
                        };
                        call.write_event(tx, &first.event_type, level, "Completed", topic, text, Some(first.id)).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn job_topic(&self, job: &Job, scheduled: Option<&Event>) -> Result<Topic> {
        let kind = job.instance_type.as_deref().and_then(kind_of).unwrap_or(Kind::Job);
        let account = scheduled.map_or(job.account_id, |e| e.account_id);
        let domain = match scheduled {
            Some(e) => e.domain_id,
            None => self.db.must::<Account>(account).await?.domain_id,
        };
        Ok(Topic { account, domain, kind, id: job.instance_id.unwrap_or(0) })
    }

    /// A parameter of the call's job, as it was given: for create commands, whose job is told only what they made.
    pub async fn job_parameter(&self, call: &Call, name: &str) -> Result<Option<String>> {
        let Some(id) = call.job else { return Ok(None) };
        let given: serde_json::Value = serde_json::from_str(&self.db.must::<Job>(id).await?.parameters).map_err(Error::internal)?;
        Ok(given[name].as_str().map(str::to_owned))
    }

    /// Waits until a job has ended, for at most `patience`; the job as it then stands.
    pub async fn job_wait(&self, id: i64, patience: std::time::Duration) -> Result<Job> {
        let mut ended = self.jobs.ended.subscribe();
        let over = async {
            loop {
                let job = self.db.must::<Job>(id).await?;
                if job.status != 0 {
                    return Ok(job);
                }
                // A lagging receiver looks again as well.
                while let Ok(other) = ended.recv().await {
                    if other == id {
                        break;
                    }
                }
            }
        };
        match tokio::time::timeout(patience, over).await {
            Ok(job) => job,
            Err(_) => self.db.must(id).await,
        }
    }
}

/// The kind behind the word in a job's `instance_type`.
fn kind_of(word: &str) -> Option<Kind> {
    const KINDS: &[Kind] = &[
        Kind::Vm,
        Kind::Volume,
        Kind::Snapshot,
        Kind::Template,
        Kind::Iso,
        Kind::Network,
        Kind::SecurityGroup,
        Kind::Host,
        Kind::StoragePool,
        Kind::Account,
        Kind::Project,
        Kind::User,
        Kind::Domain,
        Kind::PhysicalNetwork,
        Kind::TrafficType,
        Kind::Provider,
        Kind::VirtualRouterElement,
        Kind::IpAddress,
        Kind::FirewallRule,
        Kind::AffinityGroup,
        Kind::InstanceGroup,
    ];
    KINDS.iter().copied().find(|k| k.instance_type() == word)
}
