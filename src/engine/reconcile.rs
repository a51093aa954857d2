//! What must stay true over time. Each reconciler reads the world and acts; a timer only says when to look.
use crate::{Call, Engine, JobDraft};
use std::sync::Arc;
use std::time::Duration;
use stratus_model::{Result, Source};

/// How often the timer looks whether something is due.
const LOOK: Duration = Duration::from_secs(1);

impl Engine {
    /// Starts the reconcilers; they end with the process.
    pub fn reconcilers_start(self: &Arc<Self>) {
        let engine = self.clone();
        tokio::spawn(async move {
            let mut expunged = engine.clock.now();
            let mut forgotten = engine.clock.now();
            // The first sample at once, so that a chart begins when the server does.
            let mut sampled = 0;
            let mut figures = 0;
            let mut loads = 0;
            let mut cleaned = engine.clock.now();
            let mut polled = engine.clock.now();
            let mut extracted = engine.clock.now();
            let mut looked = engine.clock.now();
            let mut collected = engine.clock.now();
            let begun = engine.clock.now();
            let mut heard = 0;
            loop {
                tokio::time::sleep(LOOK).await;
                let now = engine.clock.now();
                report("routers behind", engine.public_reconcile().await);
                if now - expunged >= engine.settings.number("expunge.interval").max(1) * 1_000_000 {
                    expunged = now;
                    report("expunge", engine.expunge_due().await);
                }
                if now - looked >= engine.settings.number("capacity.check.period").max(1000) * 1000 {
                    looked = now;
                    report("alerts", engine.alerts_check().await);
                }
                if now - collected >= engine.settings.number("network.gc.interval").max(1) * 1_000_000 {
                    collected = now;
                    report("unused networks", engine.networks_gc().await);
                }
                if now - cleaned >= engine.settings.number("account.cleanup.interval").max(1) * 1_000_000 {
                    cleaned = now;
                    report("accounts", engine.accounts_due().await);
                }
                if now - polled >= engine.settings.number("snapshot.poll.interval").max(1) * 1_000_000 {
                    polled = now;
                    report("snapshots", engine.snapshots_due().await);
                }
                if now - heard >= engine.settings.number("ping.interval").max(1) * 1_000_000 {
                    heard = now;
                    report("silent hosts", engine.hosts_heartbeat(begun).await);
                }
                if now - extracted >= engine.settings.number("extract.url.cleanup.interval").max(1) * 1_000_000 {
                    extracted = now;
                    report("downloads", engine.downloads_expire().await);
                }
                // These two are in milliseconds, unlike the other intervals.
                if now - figures >= engine.settings.number("vm.stats.interval").max(1000) * 1000 {
                    figures = now;
                    if let Err(e) = engine.figures_read().await {
                        tracing::warn!(error = %stratus_model::in_full(&e), "figures of VMs: failed, tried again later");
                    }
                }
                if now - loads >= engine.settings.number("host.stats.interval").max(1000) * 1000 {
                    loads = now;
                    if let Err(e) = engine.loads_read().await {
                        tracing::warn!(error = %stratus_model::in_full(&e), "figures of hosts: failed, tried again later");
                    }
                }
                if now - forgotten >= 60_000_000 {
                    forgotten = now;
                    report("sessions", engine.sessions_expire().await);
                    report("messages", engine.messages_forget().await);
                    report("passwords", engine.passwords_forget().await);
                    report("storage", engine.storage_reconcile().await);
                    report("console tickets", engine.console_tickets_expire().await);
                }
                if now - sampled >= engine.capacity_sample_period() {
                    sampled = now;
                    if let Err(e) = engine.capacity_sample().await {
                        tracing::warn!(error = %stratus_model::in_full(&e), "capacity samples: failed, tried again later");
                    }
                }
            }
        });
    }

    /// Ends work on snapshots, templates and volumes that a job left in the middle and that no job is at any more; how many things.
    pub async fn storage_reconcile(self: &Arc<Self>) -> Result<u64> {
        let caller = Arc::new(self.system_caller(Source::System).await?);
        let call = Call::new(self.clone(), caller, "reconcile", None);
        let made = self.snapshots_reconcile(&call).await? + self.templates_reconcile(&call).await?;
        Ok(made + self.volumes_reconcile().await? + self.uploads_reconcile(&call).await?)
    }

    /// Submits the expunge of every VM whose time to be recovered is over; how many.
    pub async fn expunge_due(self: &Arc<Self>) -> Result<u64> {
        let caller = Arc::new(self.system_caller(Source::System).await?);
        let due = self.vms_due().await?;
        for vm in &due {
            let call = Call::new(self.clone(), caller.clone(), "expungeVirtualMachine", None);
            let draft = JobDraft {
                command: "expungeVirtualMachine",
                parameters: serde_json::json!({ "id": vm.uuid }).to_string(),
                event: "VM.EXPUNGE",
                description: "expunging a VM".into(),
            };
            let topic = crate::vm::topic(vm);
            let job = self.db.write(move |tx| Box::pin(async move { draft.insert(tx, &call, topic).await })).await?;
            self.job_start(&job);
        }
        Ok(due.len() as u64)
    }
}

fn report(what: &str, outcome: Result<u64>) {
    match outcome {
        Ok(0) => {}
        Ok(n) => tracing::info!(n, "{what}: done"),
        Err(e) => tracing::warn!(error = %stratus_model::in_full(&e), "{what}: failed, tried again later"),
    }
}
