//! What this door needs of the native one.
use async_trait::async_trait;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use stratus_api::Registry;
use stratus_engine::Engine;
use stratus_model::{AccountType, Caller, Result};

/// Parameters of a native command.
pub type Parameters = BTreeMap<String, String>;

/// Whether a caller may run a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// Yes.
    Yes,
    /// The command is there for others.
    No,
    /// There is no such command.
    Unknown,
}

/// The native door as this one needs it: commands by name, run in this process. Roles, ownership and limits are decided there.
#[async_trait]
pub trait Native: Send + Sync {
    /// Runs a command; the object under the response key (`{"count":2,"virtualmachine":[..]}`, `{"id":..,"jobid":..}`).
    async fn call(&self, caller: &Arc<Caller>, command: &str, parameters: Parameters) -> Result<Value>;
    /// VMs by uuid, as `listVirtualMachines` shows them; those that the caller may not see are left out.
    async fn vms(&self, caller: &Arc<Caller>, uuids: &[String]) -> Result<Vec<Value>>;
    /// Of the VMs that `listVirtualMachines` shows, at most so many from one on, and how many there are in all.
    async fn vm_page(&self, caller: &Arc<Caller>, first: u64, most: u64) -> Result<(Vec<Value>, u64)>;
    /// The user of an access key and its secret; `None` when nobody may sign with it.
    async fn key_lookup(&self, access_key: &str) -> Result<Option<(Caller, String)>>;
    /// Whether this caller may run a command.
    fn permit(&self, caller: &Caller, command: &str) -> Permit;
    /// Waits for a job for at most `patience`: its result, or its failure.
    async fn wait(&self, job: &str, patience: Duration) -> Result<Value>;
}

/// The native commands of this process.
pub struct InProcess {
    engine: Arc<Engine>,
    registry: Arc<Registry>,
}

impl InProcess {
    /// Over an engine and the commands of the native door.
    pub fn new(engine: Arc<Engine>, registry: Arc<Registry>) -> Arc<Self> {
        Arc::new(Self { engine, registry })
    }
}

#[async_trait]
impl Native for InProcess {
    async fn call(&self, caller: &Arc<Caller>, command: &str, parameters: Parameters) -> Result<Value> {
        self.registry.call(&self.engine, caller, command, parameters).await
    }
    async fn vms(&self, caller: &Arc<Caller>, uuids: &[String]) -> Result<Vec<Value>> {
        self.registry.vms(&self.engine, caller, uuids).await
    }
    async fn vm_page(&self, caller: &Arc<Caller>, first: u64, most: u64) -> Result<(Vec<Value>, u64)> {
        let clamp = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let (found, count) = self.registry.vm_page(&self.engine, caller, clamp(first), clamp(most)).await?;
        Ok((found, u64::try_from(count).unwrap_or(0)))
    }
    async fn key_lookup(&self, access_key: &str) -> Result<Option<(Caller, String)>> {
        self.engine.by_api_key(access_key).await
    }
    fn permit(&self, caller: &Caller, command: &str) -> Permit {
        // Root may run everything there is.
        let root = Caller { account_type: AccountType::RootAdmin, ..caller.clone() };
        match (self.registry.has(caller, command), self.registry.has(&root, command)) {
            (true, _) => Permit::Yes,
            (false, true) => Permit::No,
            (false, false) => Permit::Unknown,
        }
    }
    async fn wait(&self, job: &str, patience: Duration) -> Result<Value> {
        self.registry.wait(&self.engine, job, patience).await
    }
}
