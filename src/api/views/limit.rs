use crate::prelude::*;
use crate::views::tag::Owners;
use stratus_engine::limit::{Allowance, Holder};

/// A limit.
#[derive(View)]
pub struct ResourceLimit {
    /// the account that is limited; none for a domain's limit
    pub account: Option<String>,
    /// the ID of the domain
    pub domainid: Option<String>,
    /// the name of the domain
    pub domain: Option<String>,
    /// what is limited: 0 VMs, 1 public addresses, 2 volumes, 3 snapshots, 4 templates, 5 projects, 6 networks, 7 VPCs, 8 CPU cores, 9 MiB of memory, 10 GiB of primary storage, 11 GiB of secondary storage
    pub resourcetype: String,
    /// how much is allowed; -1 for any amount
    pub max: i64,
    /// the ID of the project that is limited
    pub projectid: Option<String>,
    /// the name of the project that is limited
    pub project: Option<String>,
}

/// A counter.
#[derive(View)]
pub struct ResourceCount {
    /// the account whose counter it is; none for a domain's
    pub account: Option<String>,
    /// the ID of the domain
    pub domainid: Option<String>,
    /// the name of the domain
    pub domain: Option<String>,
    /// what is counted, by the numbers of listResourceLimits
    pub resourcetype: String,
    /// how much is in use
    pub resourcecount: i64,
    /// the ID of the project whose counter it is
    pub projectid: Option<String>,
    /// the name of the project whose counter it is
    pub project: Option<String>,
}

/// A holder as answers name it.
#[derive(Default)]
pub(crate) struct Named {
    account: Option<String>,
    domainid: Option<String>,
    domain: Option<String>,
    projectid: Option<String>,
    project: Option<String>,
}

pub(crate) async fn name(call: &Call, holder: &Holder) -> Result<Named> {
    Ok(match holder {
        Holder::Account(a) => {
            let owners = Owners::of(call, [(a.id, a.domain_id)].into_iter()).await?;
            Named {
                account: owners.account(a.id),
                domainid: owners.domain_uuid(a.domain_id),
                domain: owners.domain(a.domain_id),
                projectid: owners.project_uuid(a.id),
                project: owners.project(a.id),
            }
        }
        Holder::Domain(d) => Named { domainid: Some(d.uuid.clone()), domain: Some(d.name.clone()), ..Default::default() },
    })
}

pub(crate) fn limit(n: &Named, a: &Allowance) -> ResourceLimit {
    ResourceLimit {
        account: n.account.clone(),
        domainid: n.domainid.clone(),
        domain: n.domain.clone(),
        resourcetype: a.resource.number().to_string(),
        max: a.max,
        projectid: n.projectid.clone(),
        project: n.project.clone(),
    }
}

pub(crate) fn count(n: &Named, a: &Allowance) -> ResourceCount {
    ResourceCount {
        account: n.account.clone(),
        domainid: n.domainid.clone(),
        domain: n.domain.clone(),
        resourcetype: a.resource.number().to_string(),
        resourcecount: a.used,
        projectid: n.projectid.clone(),
        project: n.project.clone(),
    }
}
