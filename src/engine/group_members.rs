//! Tells hosts who is in the security groups that rules on them name.
//!
//! Rules name groups, so a VM that comes or goes is one set of addresses to each host that has a guest allowing its group, however
//! many guests those are. Changes are gathered for a moment, and for longer when carrying them takes longer: a thousand deploys into
//! one group must not cost a thousand times the group.
use crate::Engine;
use crate::group_push::PROVIDER;
use futures::StreamExt;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use stratus_drivers::{GroupMembers, Registry};
use stratus_model::{Error, Result};
use stratus_store::{Db, SecurityGroup};

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
}

/// What is gathered; one an engine.
#[derive(Default, Clone)]
pub struct GroupChanges(Arc<Mutex<Changed>>);

impl Engine {
    /// Says that who is in these groups changed: hosts with VMs whose rules allow them are told in a moment. After the commit.
    pub fn group_members_changed(&self, groups: impl IntoIterator<Item = i64>) {
        let changes = self.group_changes.0.clone();
        {
            let mut changed = changes.lock().unwrap_or_else(PoisonError::into_inner);
            changed.groups.extend(groups);
            if changed.busy || changed.groups.is_empty() || self.drivers.network(PROVIDER).is_none() {
                return;
            }
            changed.busy = true;
        }
        tokio::spawn(carry(self.db.clone(), self.drivers.clone(), changes));
    }
}

async fn carry(db: Db, drivers: Registry, changes: Arc<Mutex<Changed>>) {
    let mut pause = GATHER.0;
    loop {
        tokio::time::sleep(pause).await;
        let groups: Vec<i64> = {
            let mut changed = changes.lock().unwrap_or_else(PoisonError::into_inner);
            changed.busy = !changed.groups.is_empty();
            changed.groups.drain().collect()
        };
        if groups.is_empty() {
            return;
        }
        let began = Instant::now();
        if let Err(e) = push_members(&db, &drivers, groups).await {
            tracing::warn!(error = %e, "members of security groups were not carried to hosts");
        }
        pause = (began.elapsed() * SHARE).clamp(GATHER.0, GATHER.1);
    }
}

/// Tells each host that has a VM whose rules allow one of these groups who is in it; tries all, and answers with the first failure.
pub(crate) async fn push_members(db: &Db, drivers: &Registry, groups: impl IntoIterator<Item = i64>) -> Result<()> {
    let mut first = Ok(());
    for group in groups {
        // The sequence is read before the members, so a later one never comes with earlier members.
        let Some(group) = db.get::<SecurityGroup>(group).await? else { continue };
        let hosts = hosts_allowing(db, group.id).await?;
        if hosts.is_empty() {
            continue;
        }
        let set = GroupMembers { cidrs: addresses(db, group.id).await?, group: group.uuid, sequence: group.sequence };
        let set = &set;
        let mut answers = futures::stream::iter(hosts)
            .map(|(host, hypervisor)| async move {
                match drivers.network_for(&hypervisor, PROVIDER) {
                    Some(driver) => driver.apply_members(&host, set).await,
                    None => Ok(()),
                }
            })
            .buffer_unordered(AT_ONCE);
        while let Some(answer) = answers.next().await {
            first = first.and(answer.map_err(|e| Error::Unavailable(e.to_string())));
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
