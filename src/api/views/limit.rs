use crate::prelude::*;
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

/// A holder as answers name it: account, domain's uuid and name.
pub(crate) struct Named(Option<String>, Option<String>, Option<String>);

pub(crate) async fn name(call: &Call, holder: &Holder) -> Result<Named> {
    Ok(match holder {
        Holder::Account(a) => {
            let d = call.db.get::<store::Domain>(a.domain_id).await?;
            Named(Some(a.name.clone()), d.as_ref().map(|d| d.uuid.clone()), d.map(|d| d.name))
        }
        Holder::Domain(d) => Named(None, Some(d.uuid.clone()), Some(d.name.clone())),
    })
}

pub(crate) fn limit(n: &Named, a: &Allowance) -> ResourceLimit {
    ResourceLimit {
        account: n.0.clone(),
        domainid: n.1.clone(),
        domain: n.2.clone(),
        resourcetype: a.resource.number().to_string(),
        max: a.max,
        projectid: None,
        project: None,
    }
}

pub(crate) fn count(n: &Named, a: &Allowance) -> ResourceCount {
    ResourceCount {
        account: n.0.clone(),
        domainid: n.1.clone(),
        domain: n.2.clone(),
        resourcetype: a.resource.number().to_string(),
        resourcecount: a.used,
        projectid: None,
        project: None,
    }
}
