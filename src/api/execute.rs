//! Carries jobs out: the engine knows that there is a command, this room which.
use crate::conceal;
use crate::declare::Start;
use crate::registry::Registry;
use crate::request::Given;
use async_trait::async_trait;
use std::sync::Arc;
use stratus_engine::{Call, Engine, Execute};
use stratus_model::{Caller, Error, Result};
use stratus_store::Job;

#[async_trait]
impl Execute for Registry {
    async fn execute(&self, engine: Arc<Engine>, caller: Arc<Caller>, job: &Job) -> Result<String> {
        // Who may was checked when the job was made; a role changed since then does not strand it half done.
        let meta = self.all().find(|m| m.name == job.command).ok_or_else(|| Error::UnknownCommand(job.command.clone()))?;
        let call = Call::new(engine, caller, meta.name, meta.event).in_job(job.id);
        let answer = match &meta.start {
            Start::Run(run) => run(&call, Given::from_json(&job.command, &job.parameters, &call.sealer)?).await?,
            Start::Create { finish, .. } => {
                let id = job.instance_id.ok_or_else(|| Error::internal("a create job without its thing"))?;
                finish(&call, id).await?
            }
        };
        conceal::seal(&call.sealer, answer.job_result(meta.answer)?)
    }
}
