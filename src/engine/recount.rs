//! Repairs counters: what an owner really has is summed from the things themselves and written where the counter differs.
use crate::limit::{Allowance, Holder};
use crate::{Call, Engine};
use stratus_model::{Limit, Result};
use stratus_store::{Query, ResourceCount, Tx, Value};

/// The sum behind a counter over the accounts that `in (…)` selects; `None` for what this cloud does not have
/// yet, and of which there are none therefore.
///
/// A VM counts from its deployment until it is destroyed, whether it runs or not, and so do its CPUs and memory; a volume until it is
/// destroyed, and its bytes with it; a template until it is removed. (MySQL's sums are decimals, hence the casts.)
fn sum_of(resource: Limit) -> Option<&'static str> {
    Some(match resource {
        Limit::Vm => {
            "select count(*) from vm where removed is null and vm_type = 'User' and state not in ('Destroyed', 'Expunging', 'Error') and account_id in "
        }
        Limit::Cpu => {
            "select cast(coalesce(sum(cpus), 0) as signed) from vm where removed is null and vm_type = 'User' and state not in ('Destroyed', 'Expunging', 'Error') and account_id in "
        }
        Limit::Memory => {
            "select cast(coalesce(sum(memory_mb), 0) as signed) from vm where removed is null and vm_type = 'User' and state not in ('Destroyed', 'Expunging', 'Error') and account_id in "
        }
        Limit::PublicIp => {
            "select count(*) from ip_address join ip_range on ip_range.id = range_id where state <> 'Free' and for_virtual_network = 1 and is_system = 0 and ip_address.account_id in "
        }
        Limit::Volume => {
            "select count(*) from volume where removed is null and state not in ('Destroy', 'Expunging', 'Expunged') and account_id in "
        }
        Limit::PrimaryStorage => {
            "select cast(coalesce(sum(size_bytes), 0) as signed) from volume where removed is null and state not in ('Destroy', 'Expunging', 'Expunged') and account_id in "
        }
        Limit::Template => {
            "select count(*) from template where removed is null and template_type not in ('BUILTIN', 'SYSTEM') and account_id in "
        }
        Limit::Snapshot => "select count(*) from snapshot where removed is null and state not in ('Error', 'Destroyed') and account_id in ",
        Limit::SecondaryStorage => {
            "select cast(coalesce(sum(bytes), 0) as signed) from (select account_id, s.physical_bytes as bytes from template_store s join template t on t.id = s.template_id where s.removed is null and s.state = 'DOWNLOADED' and t.template_type not in ('BUILTIN', 'SYSTEM') union all select account_id, physical_bytes as bytes from snapshot where removed is null union all select account_id, s.physical_bytes as bytes from volume_store s join volume v on v.id = s.volume_id where s.removed is null and s.state = 'DOWNLOADED') held where account_id in "
        }
        Limit::Network => "select count(*) from network where removed is null and is_system = 0 and account_id in ",
        Limit::Project => {
            "select count(*) from project_member join project on project.id = project_id where removed is null and role = 'Admin' and project_member.account_id in "
        }
        Limit::Vpc => return None,
    })
}

impl Engine {
    /// Recounts one resource of a holder, or all, and answers with what holds now.
    pub async fn limit_recount(&self, call: &Call, holder: Holder, resource: Option<Limit>) -> Result<Vec<Allowance>> {
        if let Holder::Account(a) = &holder {
            call.administer(a).await?;
        }
        let which: Vec<Limit> = Limit::ALL.into_iter().filter(|l| resource.is_none_or(|r| r == *l)).collect();
        let (kept, wanted, again) = (holder.clone(), which.clone(), call.clone());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    repair(tx, &kept, &wanted).await?;
                    again.log(tx, kept.topic(&again), "counted resources again").await
                })
            })
            .await?;
        let all = self.allowances(&[holder]).await?;
        Ok(all.into_iter().flatten().filter(|a| which.contains(&a.resource)).collect())
    }
}

async fn repair(tx: &mut Tx, holder: &Holder, which: &[Limit]) -> Result<()> {
    let (kind, id) = match holder {
        Holder::Account(a) => ("account", a.id),
        Holder::Domain(d) => ("domain", d.id),
    };
    let rows = || Query::all().eq("owner_kind", kind).eq("owner_id", id);
    // Holds the counters against whoever takes at the same time, so that the sum and the counter are of one moment.
    tx.take::<ResourceCount>(rows(), "used = used", Vec::new()).await?;
    for row in tx.find::<ResourceCount>(rows()).await? {
        let Some(limit) = which.iter().find(|l| l.number() == row.resource) else { continue };
        let (accounts, args): (&str, Vec<Value>) = match holder {
            Holder::Account(a) => ("(?)", vec![a.id.into()]),
            Holder::Domain(d) => (
                "(select id from account where domain_id in (select id from domain where substr(path, 1, ?) = ?))",
                vec![(d.path.chars().count() as i64).into(), d.path.as_str().into()],
            ),
        };
        let real = match sum_of(*limit) {
            Some(sql) => tx.rows(format!("{sql}{accounts}"), args).await?.first().map_or(Ok(0), |r| r.get::<i64>(0))?,
            None => 0,
        };
        if real != row.used {
            tracing::warn!(
                owner = kind,
                id,
                resource = row.resource,
                counted = row.used,
                real,
                "a resource counter was wrong and is repaired"
            );
            tx.set::<ResourceCount>(row.id, vec![("used", real.into())]).await?;
        }
    }
    Ok(())
}
