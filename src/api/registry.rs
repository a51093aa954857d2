//! The commands that are on the air, and how one is run: authorise, parse, run at once or make it a job.
use crate::answer::Answer;
use crate::declare::{Declared, Meta, Start};
use crate::request::Given;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use stratus_engine::{Call, Engine, JobDraft, Topic};
use stratus_model::{AccountType, Caller, Error, Kind, Result};
use stratus_store::{Job, Query};

/// Every command, by name.
pub struct Registry {
    commands: BTreeMap<&'static str, Meta>,
}

/// An answer, or the first answer of an asynchronous command.
pub(crate) enum Reply {
    Done(Answer),
    /// `jobid` and, for a create command, `id`.
    Queued {
        id: Option<String>,
        job: Box<Job>,
    },
}

impl Registry {
    /// Every command that `commands/` declares.
    pub fn new() -> Self {
        let mut r = Self { commands: BTreeMap::new() };
        crate::commands::register(&mut r);
        r
    }
    /// Puts a command on the air.
    pub(crate) fn add<T: Declared>(&mut self) {
        self.commands.insert(T::META.name, T::META);
    }
    /// The commands in the order of their names.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Meta> {
        self.commands.values()
    }
    /// The command, if this caller may run it.
    pub(crate) fn allowed(&self, caller: &Caller, command: &str) -> Result<&Meta> {
        let unknown = || Error::UnknownCommand(command.into());
        let meta = self.commands.get(command).ok_or_else(unknown)?;
        if meta.roles & caller.role() as u8 == 0 {
            return Err(unknown());
        }
        let reads = ["list", "get", "query", "find"].iter().any(|p| command.starts_with(p));
        if caller.account_type == AccountType::ReadOnlyAdmin && !reads {
            return Err(unknown());
        }
        Ok(meta)
    }
    /// Whether a command of this name exists for this caller.
    pub fn has(&self, caller: &Caller, command: &str) -> bool {
        self.allowed(caller, command).is_ok()
    }

    pub(crate) async fn dispatch(&self, engine: &Arc<Engine>, caller: &Arc<Caller>, command: &str, given: Given) -> Result<(&Meta, Reply)> {
        let meta = self.allowed(caller, command)?;
        let call = Call::new(engine.clone(), caller.clone(), meta.name, meta.event);
        let draft = |given: &Given| -> Result<Option<JobDraft>> {
            let Some(description) = meta.job else { return Ok(None) };
            Ok(Some(JobDraft {
                command: meta.name,
                parameters: given.to_json(&engine.sealer)?,
                event: meta.event.unwrap_or("UNKNOWN"),
                description: description.into(),
            }))
        };
        let reply = match (&meta.start, draft(&given)?) {
            (Start::Run(run), None) => Reply::Done(run(&call, given).await?),
            (Start::Run(_), Some(draft)) => Reply::Queued { id: None, job: Box::new(queue(&call, meta, given, draft).await?) },
            (Start::Create { create, .. }, draft) => {
                let mut draft = draft.ok_or_else(|| Error::internal("a create command without a job"))?;
                if let Some(name) = given.peek("name") {
                    draft.description = format!("{}: {}", draft.description, brief(name));
                }
                let made = create(&call, given, draft).await?;
                Reply::Queued { id: Some(made.uuid), job: Box::new(made.job) }
            }
        };
        if let Reply::Queued { job, .. } = &reply {
            engine.job_start(job);
        }
        Ok((meta, reply))
    }

    /// Runs a native command for another door: what stands under the response's key. An asynchronous command answers
    /// `{"id": …, "jobid": …}`; see [`Registry::wait`].
    pub async fn call(&self, engine: &Arc<Engine>, caller: &Arc<Caller>, command: &str, params: BTreeMap<String, String>) -> Result<Value> {
        let given = Given::new(command, params)?;
        let (meta, reply) = self.dispatch(engine, caller, command, given).await?;
        match reply {
            Reply::Done(answer) => answer.tree(meta.answer),
            Reply::Queued { id, job } => Ok(queued(id.as_deref(), &job)),
        }
    }

    /// VMs by uuid in one question; those that the caller may not see are left out. Of what `listVirtualMachines` shows of a VM they have
    /// what a door needs that shows thousands: no rules of groups, no figures, no names beside ids.
    pub async fn vms(&self, engine: &Arc<Engine>, caller: &Arc<Caller>, uuids: &[String]) -> Result<Vec<Value>> {
        let meta = self.allowed(caller, "listVirtualMachines")?;
        crate::commands::vms(&Call::new(engine.clone(), caller.clone(), meta.name, None), uuids).await
    }

    /// A page of the VMs that `listVirtualMachines` shows to a caller, as [`Registry::vms`] shows them, and how many there are in all.
    pub async fn vm_page(&self, engine: &Arc<Engine>, caller: &Arc<Caller>, first: i64, most: i64) -> Result<(Vec<Value>, i64)> {
        let meta = self.allowed(caller, "listVirtualMachines")?;
        crate::commands::vm_page(&Call::new(engine.clone(), caller.clone(), meta.name, None), (first, most)).await
    }

    /// Waits for a job that [`Registry::call`] began: its result, or its error once it failed.
    pub async fn wait(&self, engine: &Arc<Engine>, job_uuid: &str, patience: Duration) -> Result<Value> {
        let job = engine.db.find_one::<Job>(Query::all().eq("uuid", job_uuid)).await?;
        let job = job.ok_or_else(|| Error::not_found(Kind::Job, job_uuid))?;
        let job = engine.job_wait(job.id, patience).await?;
        let mut result: Value = serde_json::from_str(job.result.as_deref().unwrap_or("{}")).map_err(Error::internal)?;
        crate::conceal::open(&engine.sealer, &mut result)?;
        match job.status {
            0 => Err(Error::Unavailable(format!("the job {job_uuid} has not ended yet"))),
            1 => Ok(result),
            _ => {
                let number = |k: &str| result[k].as_u64().and_then(|n| u16::try_from(n).ok()).unwrap_or(530);
                let text = result["errortext"].as_str().unwrap_or("the job failed").to_owned();
                Err(Error::Replayed { api: number("errorcode"), cs: number("cserrorcode"), text })
            }
        }
    }

    /// Runs a command and, when it is asynchronous, waits for its job: for set-up and tests in process.
    pub async fn call_and_wait(
        &self,
        engine: &Arc<Engine>,
        caller: &Arc<Caller>,
        command: &str,
        params: BTreeMap<String, String>,
    ) -> Result<Value> {
        let first = self.call(engine, caller, command, params).await?;
        match first.get("jobid").and_then(Value::as_str) {
            Some(job) if self.commands.get(command).is_some_and(|m| m.job.is_some()) => {
                self.wait(engine, job, Duration::from_secs(300)).await
            }
            _ => Ok(first),
        }
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

/// The first answer of an asynchronous command.
pub(crate) fn queued(id: Option<&str>, job: &Job) -> Value {
    match id {
        Some(id) => json!({ "id": id, "jobid": job.uuid }),
        None => json!({ "jobid": job.uuid }),
    }
}

/// What was given for a name, no longer than an event's text should be.
fn brief(text: &str) -> String {
    text.trim().chars().take(80).collect()
}

async fn queue(call: &Call, meta: &Meta, given: Given, mut draft: JobDraft) -> Result<Job> {
    let subject = meta.on.and_then(|name| given.peek(name)).map(brief);
    // Parsed now, so that what cannot be is refused at once and not in the job.
    let topic = match meta.topic {
        Some(topic) => topic(call, given).await?,
        None => None,
    };
    let topic = topic.unwrap_or_else(|| Topic::of_caller(call, Kind::Job, 0));
    if let Some(subject) = subject {
        draft.description = format!("{}: {} {subject}", draft.description, topic.kind.noun());
    }
    let inner = call.clone();
    call.db.write(move |tx| Box::pin(async move { draft.insert(tx, &inner, topic).await })).await
}
