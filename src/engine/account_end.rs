//! Deleting an account: first all it owns, then itself with its users, counters, keys and groups.
//!
//! From the first step on it is disabled and marked for clean-up; what could not be deleted is tried again by the reconciler
//! (`account.cleanup.interval`) until nothing is left.
use crate::account::topic;
use crate::setup::ADMIN;
use crate::user::user_remove;
use crate::{Call, Engine, JobDraft, Topic};
use std::time::Duration;
use stratus_model::{AccountType, Error, Kind, Result, VmState};
use stratus_store::{
    Account, AffinityGroup, Dedication, GuestVlanRange, InstanceGroup, IpAddress, IpRange, Job, Network, Project, ProjectInvitation,
    ProjectMember, Query, ResourceCount, ResourceDetail, SecurityGroup, SecurityGroupRule, Setting, Snapshot, SshKeyPair, Table, Tag,
    Template, Tx, User, Vm, Volume,
};

/// How long one VM's job may take before the clean-up goes on without it, to be tried again.
const PATIENCE: Duration = Duration::from_secs(600);

impl Engine {
    /// Deletes an account with its users and all it owns. Runs in a job and may run again.
    pub async fn account_delete(&self, call: &Call, account: Account) -> Result<()> {
        call.administer(&account).await?;
        if account.id == ADMIN || account.id == call.caller.account_id {
            return Err(Error::Denied("Neither the account admin nor the caller's own can be deleted".into()));
        }
        if account.kind() == AccountType::Project {
            return Err(Error::invalid("id", "is the account of a project; deleteProject deletes it"));
        }
        let owned = Query::all().eq("account_id", account.id).eq("role", crate::project::ADMIN_ROLE);
        let projects = self.db.find::<Project>(Query::live().key_in::<ProjectMember>("id", "project_id", owned)).await?;
        if !projects.is_empty() {
            let names: Vec<&str> = projects.iter().map(|p| p.name.as_str()).collect();
            let why = format!("it owns the projects {}; delete them or hand them over first", names.join(", "));
            return Err(Error::InUse { kind: Kind::Account, id: account.name, why });
        }
        self.account_end(call, account).await
    }

    /// Ends an account, whoever it is: that this may be done was asked before.
    pub(crate) async fn account_end(&self, call: &Call, account: Account) -> Result<()> {
        if account.removed.is_some() {
            return Ok(());
        }
        let id = account.id;
        let shut = vec![("state", "disabled".into()), ("cleanup", true.into())];
        self.db.write(move |tx| Box::pin(async move { tx.set::<Account>(id, shut.clone()).await.map(drop) })).await?;
        self.account_cleanup(call, &account).await?;
        let call = call.clone();
        self.db.write(move |tx| Box::pin(async move { remove(tx, &call, &account).await })).await
    }

    /// Lets go of what an account owns before it is deleted, as far as it goes; what is left is named by [`remove`].
    async fn account_cleanup(&self, call: &Call, account: &Account) -> Result<()> {
        let mine = || Query::live().eq("account_id", account.id);
        self.vms_end(call, &self.db.find::<Vm>(mine()).await?).await?;
        self.snapshots_end(call, &self.db.find::<Snapshot>(mine()).await?).await?;
        for volume in self.db.find::<Volume>(mine().null("vm_id")).await? {
            self.volume_erase(call, volume).await?;
        }
        let mut jobs = Vec::new();
        for snapshot in self.db.find::<Snapshot>(mine()).await? {
            let parameters = serde_json::json!({ "id": snapshot.uuid }).to_string();
            let draft = draft("deleteSnapshot", "SNAPSHOT.DELETE", "deleting a snapshot of a deleted account", &parameters);
            jobs.push(self.job_submit(call, draft, crate::snapshot::topic(&snapshot)).await?);
        }
        self.jobs_finish(&jobs).await?;
        for template in self.db.find::<Template>(mine()).await? {
            self.template_delete(call, template, None).await?;
        }
        self.ips_release_all(call, account.id).await?;
        let public = Query::all().eq("account_id", account.id).eq("state", "Allocated").null("nic_id").eq("source_nat", false);
        self.addresses_end(call, &self.db.find::<IpAddress>(public).await?).await?;
        for network in self.db.find::<Network>(mine().eq("acl_type", "Account").eq("is_system", false)).await? {
            self.network_delete(call, network.id).await?;
        }
        Ok(())
    }

    /// Destroys and expunges VMs, each in a job of its own behind whatever is under way on it.
    async fn vms_end(&self, call: &Call, vms: &[Vm]) -> Result<()> {
        let mut jobs = Vec::new();
        for vm in vms {
            let parameters = serde_json::json!({ "id": vm.uuid }).to_string();
            if !matches!(vm.vm_state(), VmState::Destroyed | VmState::Expunging) {
                let draft = draft("destroyVirtualMachine", "VM.DESTROY", "destroying a VM of a deleted account", &parameters);
                jobs.push(self.job_submit(call, draft, crate::vm::topic(vm)).await?);
            }
            let draft = draft("expungeVirtualMachine", "VM.EXPUNGE", "expunging a VM of a deleted account", &parameters);
            jobs.push(self.job_submit(call, draft, crate::vm::topic(vm)).await?);
        }
        self.jobs_finish(&jobs).await
    }

    /// Deletes snapshots, each in a job of its own behind whatever is under way on it.
    async fn snapshots_end(&self, call: &Call, snapshots: &[Snapshot]) -> Result<()> {
        let mut jobs = Vec::new();
        for s in snapshots {
            let parameters = serde_json::json!({ "id": s.uuid }).to_string();
            let draft = draft("deleteSnapshot", "SNAPSHOT.DELETE", "deleting a snapshot of a deleted account", &parameters);
            let topic = Topic { account: s.account_id, domain: s.domain_id, kind: Kind::Snapshot, id: s.id };
            jobs.push(self.job_submit(call, draft, topic).await?);
        }
        self.jobs_finish(&jobs).await
    }

    /// Gives public addresses back with the rules on them.
    async fn addresses_end(&self, call: &Call, addresses: &[IpAddress]) -> Result<()> {
        let mut jobs = Vec::new();
        for a in addresses {
            let parameters = serde_json::json!({ "id": a.uuid }).to_string();
            let draft = draft("disassociateIpAddress", "NET.IPRELEASE", "releasing an address of a deleted account", &parameters);
            let (account, domain) = (a.account_id.unwrap_or(0), a.domain_id.unwrap_or(0));
            let topic = Topic { account, domain, kind: Kind::IpAddress, id: a.id };
            jobs.push(self.job_submit(call, draft, topic).await?);
        }
        self.jobs_finish(&jobs).await
    }

    /// Stops the VMs of an account that was disabled.
    pub(crate) async fn account_vms_stop(&self, call: &Call, account: &Account) -> Result<()> {
        let running = Query::live().eq("account_id", account.id).within("state", ["Running", "Starting"]);
        let mut jobs = Vec::new();
        for vm in self.db.find::<Vm>(running).await? {
            let parameters = serde_json::json!({ "id": vm.uuid }).to_string();
            let draft = draft("stopVirtualMachine", "VM.STOP", "stopping a VM of a disabled account", &parameters);
            jobs.push(self.job_submit(call, draft, crate::vm::topic(&vm)).await?);
        }
        if call.job.is_some() { self.jobs_finish(&jobs).await } else { Ok(()) }
    }

    /// Writes and starts a job in the caller's name.
    pub(crate) async fn job_submit(&self, call: &Call, draft: JobDraft, topic: Topic) -> Result<Job> {
        let inner = call.clone();
        let job = self.db.write(move |tx| Box::pin(async move { draft.clone().insert(tx, &inner, topic).await })).await?;
        call.engine().job_start(&job);
        Ok(job)
    }

    /// Waits for jobs; the first failure is the answer, after all of them have ended.
    pub(crate) async fn jobs_finish(&self, jobs: &[Job]) -> Result<()> {
        let mut failed = None;
        for job in jobs {
            let ended = self.job_wait(job.id, PATIENCE).await?;
            if ended.status != 1 && failed.is_none() {
                failed = Some(ended);
            }
        }
        match failed {
            Some(job) => Err(Error::Unavailable(format!("{} (job {}) did not succeed", job.command, job.uuid))),
            None => Ok(()),
        }
    }

    /// Accounts and projects that an earlier attempt could not clean up, each in a job; how many.
    pub async fn accounts_due(self: &std::sync::Arc<Self>) -> Result<u64> {
        let due = self.db.find::<Account>(Query::live().eq("cleanup", true)).await?;
        let projects = self.projects_of(due.iter().filter(|a| a.kind() == AccountType::Project).map(|a| a.id)).await?;
        let caller = std::sync::Arc::new(self.system_caller(stratus_model::Source::System).await?);
        let mut tried = 0;
        for account in due {
            let (topic, draft) = match projects.get(&account.id) {
                Some(p) => {
                    let id = serde_json::json!({ "id": p.uuid }).to_string();
                    (crate::project::topic(p), draft("deleteProject", "PROJECT.DELETE", "cleaning up a deleted project", &id))
                }
                None => {
                    let id = serde_json::json!({ "id": account.uuid }).to_string();
                    (topic(&account), draft("deleteAccount", "ACCOUNT.DELETE", "cleaning up a deleted account", &id))
                }
            };
            let busy = Query::live().eq("status", 0).eq("instance_type", topic.kind.instance_type()).eq("instance_id", topic.id);
            if self.db.count::<Job>(busy).await? == 0 {
                let call = Call::new(self.clone(), caller.clone(), draft.command, None);
                self.job_submit(&call, draft, topic).await?;
                tried += 1;
            }
        }
        Ok(tried)
    }
}

pub(crate) fn draft(command: &'static str, event: &'static str, description: &str, parameters: &str) -> JobDraft {
    JobDraft { command, parameters: parameters.to_owned(), event, description: description.to_owned() }
}

async fn remove(tx: &mut Tx, call: &Call, account: &Account) -> Result<()> {
    // The counters are held first: whoever makes a thing for this account at the same time needs them and waits, then fails.
    let counters = || Query::all().eq("owner_kind", "account").eq("owner_id", account.id);
    tx.take::<ResourceCount>(counters(), "used = used", Vec::new()).await?;
    let left = still_owned(tx, account.id).await?;
    if !left.is_empty() {
        let why = format!("it still owns {}; delete that first", left.join(", "));
        return Err(Error::InUse { kind: Kind::Account, id: account.name.clone(), why });
    }
    tx.delete::<ResourceCount>(counters()).await?;
    let now = call.now();
    if !tx.remove::<Account>(account.id, now).await? {
        return Ok(());
    }
    for user in tx.find::<User>(Query::live().eq("account_id", account.id)).await? {
        user_remove(tx, &user, now).await?;
    }
    crate::bucket::remove_all(tx, account.id, now).await?;
    let mine = || Query::live().eq("account_id", account.id);
    tx.set::<Account>(account.id, vec![("cleanup", false.into())]).await?;
    tx.update::<SshKeyPair>(mine(), vec![("removed", now.into())]).await?;
    tx.delete::<SecurityGroupRule>(Query::all().key_in::<SecurityGroup>("group_id", "id", mine())).await?;
    tx.delete::<SecurityGroupRule>(Query::all().key_in::<SecurityGroup>("allowed_group_id", "id", mine())).await?;
    tx.update::<SecurityGroup>(mine(), vec![("removed", now.into())]).await?;
    tx.update::<AffinityGroup>(mine(), vec![("removed", now.into())]).await?;
    tx.update::<InstanceGroup>(mine(), vec![("removed", now.into())]).await?;
    tx.update::<ProjectInvitation>(mine(), vec![("removed", now.into())]).await?;
    tx.update::<GuestVlanRange>(mine(), vec![("removed", now.into())]).await?;
    tx.update::<IpRange>(mine(), vec![("account_id", None::<i64>.into()), ("domain_id", None::<i64>.into())]).await?;
    let every = || Query::all().eq("account_id", account.id);
    tx.delete::<Tag>(every()).await?;
    tx.delete::<ResourceDetail>(every()).await?;
    tx.delete::<ProjectMember>(every()).await?;
    tx.delete::<Dedication>(every()).await?;
    tx.delete::<Setting>(Query::all().eq("scope", "account").eq("scope_id", account.id)).await?;
    call.log(tx, topic(account), format!("deleted account {}", account.name)).await
}

/// What an account owns that does not simply go with it.
async fn still_owned(tx: &mut Tx, id: i64) -> Result<Vec<String>> {
    async fn live<T: Table>(tx: &mut Tx, id: i64) -> Result<i64> {
        tx.count::<T>(Query::live().eq("account_id", id)).await
    }
    let counts = [
        (live::<Vm>(tx, id).await?, "virtual machines"),
        (live::<Volume>(tx, id).await?, "volumes"),
        (live::<Snapshot>(tx, id).await?, "snapshots"),
        (live::<Template>(tx, id).await?, "templates"),
        (live::<Network>(tx, id).await?, "networks"),
        (tx.count::<IpAddress>(Query::all().eq("account_id", id).ne("state", "Free")).await?, "IP addresses"),
    ];
    Ok(counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect())
}
