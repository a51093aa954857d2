//! Tells hosts who is in the security groups that rules on them name.
//!
//! Rules name groups, so a VM that comes or goes is one set of addresses to each host that has a guest allowing its group, however
//! many guests those are. Changes are gathered for a moment, and for longer when carrying them takes longer: a thousand deploys into
//! one group must not cost a thousand times the group.
use crate::Engine;
use crate::group_push::PROVIDER;
use crate::vm_start::from_driver;
use futures::{FutureExt, StreamExt};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use stratus_drivers::{GroupMembers, Registry};
use stratus_model::Result;
use stratus_store::{Db, Host, SecurityGroup};

/// How long changes of members are gathered at least, and at most: a change has effect within 5 s (`BAS-04`).
const GATHER: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// How many times as long as carrying took is gathered: what members cost stays a tenth of the time.
const SHARE: u32 = 9;

/// Hosts told at the same time.
const AT_ONCE: usize = 32;

/// Groups whose members changed, and whether somebody is on the way with them.
#[derive(Default)]
struct Changed {
    groups: HashSet<i64>,
    busy: bool,
    /// Uuids of hosts that did not take something.
    missed: HashSet<String>,
}

/// What is gathered; one an engine.
#[derive(Default, Clone)]
pub struct GroupChanges(Arc<Mutex<Changed>>);

impl GroupChanges {
    fn lock(&self) -> MutexGuard<'_, Changed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a host did not take rules or members.
    pub(crate) fn missed(&self, host: &str) {
        self.lock().missed.insert(host.to_owned());
    }

    /// Whether a host has missed something; the note goes with the question.
    pub(crate) fn has_missed(&self, host: &str) -> bool {
        self.lock().missed.remove(host)
    }
}

impl Engine {
    /// Says that who is in these groups changed: hosts with VMs whose rules allow them are told in a moment. After the commit.
    pub fn group_members_changed(&self, groups: impl IntoIterator<Item = i64>) {
        let changes = self.group_changes.clone();
        {
            let mut changed = changes.lock();
            changed.groups.extend(groups);
            if changed.busy || changed.groups.is_empty() || self.drivers.network(PROVIDER).is_none() {
                return;
            }
            changed.busy = true;
        }
        tokio::spawn(carry(self.db.clone(), self.drivers.clone(), changes));
    }
}

async fn carry(db: Db, drivers: Registry, changes: GroupChanges) {
    let mut pause = GATHER.0;
    loop {
        tokio::time::sleep(pause).await;
        let groups: Vec<i64> = {
            let mut changed = changes.lock();
            changed.busy = !changed.groups.is_empty();
            changed.groups.drain().collect()
        };
        if groups.is_empty() {
            return;
        }
        let began = Instant::now();
        if let Err(e) = push_members(&db, &drivers, &changes, groups).await {
            tracing::warn!(error = %e, "members of security groups were not carried to hosts");
        }
        pause = (began.elapsed() * SHARE).clamp(GATHER.0, GATHER.1);
    }
}

/// Everybody in a group; none when it is gone.
async fn members(db: &Db, group: i64) -> Result<Option<GroupMembers>> {
    // The sequence is read before the members, so a later one never comes with earlier members.
    let Some(group) = db.get::<SecurityGroup>(group).await? else { return Ok(None) };
    Ok(Some(GroupMembers { cidrs: addresses(db, group.id).await?, group: group.uuid, sequence: group.sequence }))
}

/// Tells one host who is in a group.
pub(crate) async fn tell_members(db: &Db, drivers: &Registry, host: &Host, group: i64) -> Result<()> {
    let Some(driver) = drivers.network_for(&host.hypervisor, PROVIDER) else { return Ok(()) };
    match members(db, group).await? {
        Some(set) => driver.apply_members(&host.uuid, &set).await.map_err(from_driver),
        None => Ok(()),
    }
}

/// Tells each host that has a VM whose rules allow one of these groups who is in it; tries all, and answers with the first failure.
/// Who did not take it is noted.
pub(crate) async fn push_members(db: &Db, drivers: &Registry, changes: &GroupChanges, groups: impl IntoIterator<Item = i64>) -> Result<()> {
    let mut first = Ok(());
    for group in groups {
        let hosts = hosts_allowing(db, group).await?;
        if hosts.is_empty() {
            continue;
        }
        let Some(set) = members(db, group).await? else { continue };
        let mut told = Vec::new();
        for (host, hypervisor) in hosts {
            if let Some(driver) = drivers.network_for(&hypervisor, PROVIDER) {
                let set = set.clone();
                told.push(
                    async move {
                        let answer = driver.apply_members(&host, &set).await;
                        (host, answer)
                    }
                    .boxed(),
                );
            }
        }
        let mut answers = futures::stream::iter(told).buffer_unordered(AT_ONCE);
        while let Some((host, answer)) = answers.next().await {
            if answer.is_err() {
                changes.missed(&host);
            }
            first = first.and(answer.map_err(from_driver));
        }
    }
    first
}

/// Uuids and hypervisors of hosts with a VM in a group whose rules allow this one.
async fn hosts_allowing(db: &Db, group: i64) -> Result<Vec<(String, String)>> {
    let sql = stratus_store::sql!(
        "select distinct h.uuid, h.hypervisor from security_group_rule r join security_group_member m on m.group_id = r.group_id \
         join vm v on v.id = m.vm_id join host h on h.id = v.host_id where r.allowed_group_id = ? and v.removed is null"
    );
    db.rows(sql, vec![group.into()]).await?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Addresses of a group's members, oldest NIC first.
async fn addresses(db: &Db, group: i64) -> Result<Vec<String>> {
    let sql = stratus_store::sql!(
        "select n.ip4 from security_group_member m join nic n on n.vm_id = m.vm_id \
         where m.group_id = ? and n.removed is null and n.ip4 is not null order by n.id"
    );
    db.rows(sql, vec![group.into()]).await?.iter().map(|row| Ok(format!("{}/32", row.get::<String>(0)?))).collect()
}
