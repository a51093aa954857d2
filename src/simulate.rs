//! Zones from a description: the file that `--simulate` names, or the one that is built in.
//!
//! A description has the shape of Marvin's configuration files, and it becomes a cloud by the same native commands that Marvin calls,
//! said in process by the product itself. So a zone made here is no other than one that an administrator made, and there is no second
//! way in that could know better.
// Side by side: every folder of src is a crate.
#[path = "simulate_build.rs"]
mod build;
#[path = "simulate_file.rs"]
mod file_shape;

pub use build::build;
pub use file_shape::Description;

use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use stratus_api::Registry;
use stratus_engine::Engine;
use stratus_model::{Caller, Source};

/// The zone that a new, empty database gets: basic, with security groups, one pod of some 4,000 addresses, two large simulated hosts.
pub const BUILT_IN: &str = include_str!("simulate.json");

/// Says native commands.
pub trait Commands: Sync {
    /// Runs a command and answers with what stands under the response's key; an asynchronous one answers when its job has ended, with
    /// the job's result.
    fn call(&self, command: &str, params: Vec<(String, String)>) -> impl Future<Output = Result<Value>> + Send;
}

/// The native door from within, as the product itself.
struct InProcess {
    registry: Registry,
    engine: Arc<Engine>,
    caller: Arc<Caller>,
}

impl Commands for InProcess {
    async fn call(&self, command: &str, params: Vec<(String, String)>) -> Result<Value> {
        let params: BTreeMap<String, String> = params.into_iter().collect();
        Ok(self.registry.call_and_wait(&self.engine, &self.caller, command, params).await?)
    }
}

/// Makes the zones of a description. Half of the commands are jobs, so jobs run from here on; to start them twice does no harm.
pub async fn make(engine: &Arc<Engine>, description: &Description) -> Result<()> {
    engine.jobs_start(Arc::new(Registry::new())).await?;
    let caller = Arc::new(engine.system_caller(Source::System).await?);
    let commands = InProcess { registry: Registry::new(), engine: engine.clone(), caller };
    // Who simulates wants to try both doors; the description may say otherwise.
    for door in ["enable.ec2.api", "enable.s3.api"] {
        commands.call("updateConfiguration", vec![("name".into(), door.into()), ("value".into(), "true".into())]).await?;
    }
    build(&commands, description).await
}

/// Makes the built-in zone.
pub async fn built_in(engine: &Arc<Engine>) -> Result<()> {
    make(engine, &Description::read(BUILT_IN)?).await
}

/// Makes the zones that a file describes.
pub async fn file(engine: &Arc<Engine>, path: &Path) -> Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    make(engine, &Description::read(&text).with_context(|| path.display().to_string())?).await
}

#[cfg(test)]
#[path = "simulate_tests.rs"]
mod tests;
