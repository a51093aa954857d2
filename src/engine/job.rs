//! Jobs as their callers see them; how they run is `jobs.rs`.
use crate::{Call, Engine, ListScope, Listing};
use std::collections::HashMap;
use stratus_model::{Error, Kind, Micros, Result, Role};
use stratus_store::{
    Account, Domain, FirewallRule, Host, IpAddress, Job, Network, PhysicalNetwork, Provider, Query, RouterElement, SecurityGroup,
    StoragePool, Table, Template, TrafficType, User, Vm, Volume,
};

/// Which jobs a list shows.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Those since then.
    pub start: Option<Micros>,
    /// A text in the command.
    pub keyword: Option<String>,
    /// Offset and limit.
    pub page: (i64, i64),
}

/// What stands beside jobs in answers, each table read once.
#[derive(Debug, Default)]
pub struct JobCompany {
    /// Accounts by key.
    pub accounts: HashMap<i64, Account>,
    /// Users by key.
    pub users: HashMap<i64, User>,
    /// The uuids of what the jobs work on, by type and key.
    pub instances: HashMap<(String, i64), String>,
}

impl Engine {
    /// Refuses a job that the caller may not know of: a user sees its account's, an administrator those of its domains.
    pub async fn job_seen(&self, call: &Call, job: &Job) -> Result<()> {
        if call.may_touch(job.account_id, job.domain_id).await? {
            return Ok(());
        }
        match call.caller.role() {
            Role::User => Err(Error::not_found(Kind::Job, job.uuid.as_str())),
            _ => Err(Error::Denied(format!("Account {} may not see job {}", call.caller.account_name, job.uuid))),
        }
    }

    /// Jobs in a scope that have not been forgotten, the oldest first.
    pub async fn job_list(&self, scope: &ListScope, f: JobFilter) -> Result<Listing<Job>> {
        let mut q = scope.apply(Query::live());
        if let Some(t) = f.start {
            q = q.at_least("created", t);
        }
        if let Some(text) = &f.keyword {
            q = q.holds(&["command"], text);
        }
        Listing::of(&self.db, q, f.page).await
    }

    /// What answers show beside these jobs.
    pub async fn job_company(&self, jobs: &[Job]) -> Result<JobCompany> {
        let mut instances = HashMap::new();
        let mut by_type = HashMap::<&str, Vec<i64>>::new();
        for j in jobs {
            if let (Some(kind), Some(id)) = (j.instance_type.as_deref(), j.instance_id.filter(|id| *id != 0)) {
                by_type.entry(kind).or_default().push(id);
            }
        }
        for (kind, ids) in by_type {
            let found = self.uuids(kind, &ids).await?;
            instances.extend(found.into_iter().map(|(id, uuid)| ((kind.to_owned(), id), uuid)));
        }
        Ok(JobCompany {
            accounts: self.db.by_ids(jobs.iter().map(|j| j.account_id)).await?,
            users: self.db.by_ids(jobs.iter().map(|j| j.user_id)).await?,
            instances,
        })
    }

    /// The uuids of things of one type by key; nothing for a type that answers do not name.
    async fn uuids(&self, kind: &str, ids: &[i64]) -> Result<Vec<(i64, String)>> {
        match kind {
            "VirtualMachine" => self.uuids_in::<Vm>(ids).await,
            "Volume" => self.uuids_in::<Volume>(ids).await,
            "Template" | "Iso" => self.uuids_in::<Template>(ids).await,
            "Network" => self.uuids_in::<Network>(ids).await,
            "SecurityGroup" => self.uuids_in::<SecurityGroup>(ids).await,
            "Host" => self.uuids_in::<Host>(ids).await,
            "StoragePool" => self.uuids_in::<StoragePool>(ids).await,
            "Account" => self.uuids_in::<Account>(ids).await,
            "User" => self.uuids_in::<User>(ids).await,
            "Domain" => self.uuids_in::<Domain>(ids).await,
            "PhysicalNetwork" => self.uuids_in::<PhysicalNetwork>(ids).await,
            "TrafficType" => self.uuids_in::<TrafficType>(ids).await,
            "PhysicalNetworkServiceProvider" => self.uuids_in::<Provider>(ids).await,
            "VirtualRouterElement" => self.uuids_in::<RouterElement>(ids).await,
            "IpAddress" => self.uuids_in::<IpAddress>(ids).await,
            "FirewallRule" => self.uuids_in::<FirewallRule>(ids).await,
            _ => Ok(Vec::new()),
        }
    }

    async fn uuids_in<T: Table>(&self, ids: &[i64]) -> Result<Vec<(i64, String)>> {
        let sql = format!("select id, uuid from {} where id in ({})", T::NAME, vec!["?"; ids.len()].join(","));
        let rows = self.db.rows(sql, ids.iter().map(|id| (*id).into()).collect()).await?;
        rows.iter().map(|r| Ok((r.get(0)?, r.get(1)?))).collect()
    }
}
