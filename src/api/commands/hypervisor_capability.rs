//! What versions of hypervisors can do.
use crate::prelude::*;

found!(HypervisorCapability => Kind::Configuration);

/// What a version of a hypervisor can do.
#[derive(View)]
pub struct HypervisorCapabilities {
    /// the ID of the record
    pub id: String,
    /// the hypervisor
    pub hypervisor: String,
    /// its version; default for those not named
    pub hypervisorversion: String,
    /// guests that a host takes
    pub maxguestslimit: i64,
    /// whether it can have security groups
    pub securitygroupenabled: bool,
    /// data disks that a VM takes
    #[view(kind = "integer")]
    pub maxdatavolumeslimit: i64,
    /// hosts that a cluster takes; none for any number
    #[view(kind = "integer")]
    pub maxhostspercluster: Option<i64>,
    /// whether a VM moves with its disks while it runs
    pub storagemotionenabled: bool,
}

fn of(c: store::HypervisorCapability) -> HypervisorCapabilities {
    HypervisorCapabilities {
        id: c.uuid,
        hypervisor: c.hypervisor,
        hypervisorversion: c.version,
        maxguestslimit: c.max_guests,
        securitygroupenabled: c.security_groups,
        maxdatavolumeslimit: c.max_data_volumes,
        maxhostspercluster: c.max_hosts_per_cluster,
        storagemotionenabled: c.storage_motion,
    }
}

/// Lists what versions of hypervisors can do.
#[derive(Command)]
#[command(name = "listHypervisorCapabilities", roles = "admin", answer = "hypervisorCapabilities", view = HypervisorCapabilities, since = "3.0")]
pub struct ListHypervisorCapabilities {
    /// only of this hypervisor
    hypervisor: Option<String>,
    /// only the record with this ID
    id: Option<Ref<store::HypervisorCapability>>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListHypervisorCapabilities {
    async fn run(self, call: &Call) -> Result<Answer> {
        let (id, page) = (self.id.map(|c| c.0.id), self.page.range(call)?);
        let found = call.hypervisor_capability_list(id, self.hypervisor.as_deref(), self.page.keyword.as_deref(), page).await?;
        Ok(Answer::list(found.count, found.rows.into_iter().map(of).collect()))
    }
}

/// Changes what a version of a hypervisor can do. (The answer's key is the original's slip, which clients read.)
#[derive(Command)]
#[command(name = "updateHypervisorCapabilities", roles = "admin", answer = "null", view = HypervisorCapabilities, since = "3.0", event = "HYPERVISOR.CAPABILITIES.UPDATE")]
pub struct UpdateHypervisorCapabilities {
    /// the ID of the record
    id: Option<Ref<store::HypervisorCapability>>,
    /// guests that a host takes
    #[param(kind = "long")]
    maxguestslimit: Option<i64>,
    /// whether it can have security groups
    securitygroupenabled: Option<bool>,
}
impl Run for UpdateHypervisorCapabilities {
    async fn run(self, call: &Call) -> Result<Answer> {
        let Some(Ref(row)) = self.id else {
            return Err(Error::Missing { command: "updatehypervisorcapabilities".into(), field: "id".into() });
        };
        let changed = call.hypervisor_capability_update(call, row, self.maxguestslimit, self.securitygroupenabled).await?;
        Ok(Answer::one(of(changed)))
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<ListHypervisorCapabilities>();
    r.add::<UpdateHypervisorCapabilities>();
}
