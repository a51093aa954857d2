//! Affinity groups in answers.
use crate::declare::Texts;
use crate::prelude::*;
use crate::views::tag::Owners;
use std::collections::HashMap;

/// An affinity group.
#[derive(View, Debug, Clone)]
pub struct AffinityGroup {
    /// the ID of the group
    pub id: String,
    /// its name
    pub name: String,
    /// what it is for
    pub description: Option<String>,
    /// the account that owns it
    pub account: Option<String>,
    /// the ID of its domain
    pub domainid: Option<String>,
    /// the name of its domain
    pub domain: Option<String>,
    /// what it does, host anti-affinity
    #[view(name = "type")]
    pub kind: String,
    /// the IDs of its VMs
    #[view(name = "virtualmachineIds")]
    pub vms: Option<Texts>,
}

/// A type of affinity groups.
#[derive(View)]
pub struct AffinityGroupType {
    /// the type
    #[view(name = "type")]
    pub kind: String,
}

fn one(owners: &Owners, g: store::AffinityGroup, vms: Option<Texts>) -> AffinityGroup {
    AffinityGroup {
        account: owners.account(g.account_id),
        domainid: owners.domain_uuid(g.domain_id),
        domain: owners.domain(g.domain_id),
        id: g.uuid,
        name: g.name,
        description: g.description,
        kind: g.group_type,
        vms,
    }
}

/// A page of groups with their VMs.
pub(crate) async fn of(call: &Call, rows: Vec<store::AffinityGroup>) -> Result<Vec<AffinityGroup>> {
    let owners = Owners::of(call, rows.iter().map(|g| (g.account_id, g.domain_id))).await?;
    let ids: Vec<i64> = rows.iter().map(|g| g.id).collect();
    let mut members = call.affinity_members(&ids).await?;
    let texts = |vms: Vec<store::Vm>| Texts(vms.into_iter().map(|v| v.uuid).collect());
    Ok(rows
        .into_iter()
        .map(|g| {
            let vms = members.remove(&g.id).map(texts);
            one(&owners, g, vms)
        })
        .collect())
}

/// The groups of VMs, by the VM's key, without their members.
pub(crate) async fn by_vm(call: &Call, ids: &[i64]) -> Result<HashMap<i64, Vec<AffinityGroup>>> {
    let groups = call.affinity_of(ids).await?;
    let owners = Owners::of(call, groups.values().flatten().map(|g| (g.account_id, g.domain_id))).await?;
    Ok(groups.into_iter().map(|(vm, groups)| (vm, groups.into_iter().map(|g| one(&owners, g, None)).collect())).collect())
}
