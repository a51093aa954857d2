use crate::prelude::*;
use crate::views::owner_figures::{Figures, OwnerFigures};
use std::collections::{BTreeMap, HashMap};
use stratus_engine::account::details_of;
use stratus_engine::limit::{Allowance, Holder};
use stratus_engine::setup::ADMIN;
use stratus_model::Limit;

/// An account, with what it uses and what it may use.
#[derive(View)]
pub struct Account {
    /// the ID of the account
    pub id: String,
    /// the name of the account
    pub name: String,
    /// the type of the account: 0 user, 1 root administrator, 2 domain administrator, 3 resource administrator, 5 project
    #[view(kind = "short")]
    pub accounttype: i64,
    /// the ID of the account's domain
    pub domainid: Option<String>,
    /// the name of the account's domain
    pub domain: Option<String>,
    /// the ID of the zone that the account's VMs go to when none is named
    pub defaultzoneid: Option<String>,
    /// bytes that the account's networks have received; not counted yet
    pub receivedbytes: Option<i64>,
    /// bytes that the account's networks have sent; not counted yet
    pub sentbytes: Option<i64>,
    /// projects that the account may have, or Unlimited
    pub projectlimit: String,
    /// projects that the account has
    pub projecttotal: i64,
    /// projects that the account may still get, or Unlimited
    pub projectavailable: String,
    #[view(flatten)]
    pub figures: OwnerFigures,
    /// the state of the account: enabled, disabled or locked
    pub state: String,
    /// whether something of the account still waits to be cleaned up
    pub iscleanuprequired: bool,
    /// the account's users
    pub user: Vec<views::user::User>,
    /// the DNS suffix of the account's networks
    pub networkdomain: Option<String>,
    /// free details of the account
    pub accountdetails: Option<BTreeMap<String, String>>,
    /// whether the account came with the installation
    pub isdefault: bool,
}

/// What stands beside accounts, each table read once.
struct Beside {
    domains: HashMap<i64, store::Domain>,
    zones: HashMap<i64, store::Zone>,
    users: HashMap<i64, Vec<views::user::User>>,
    vms: HashMap<i64, (i64, i64)>,
}

pub(crate) async fn of(call: &Call, rows: Vec<store::Account>) -> Result<Vec<Account>> {
    let ids: Vec<i64> = rows.iter().map(|a| a.id).collect();
    let holders: Vec<Holder> = rows.iter().cloned().map(Holder::Account).collect();
    let allowances = call.allowances(&holders).await?;
    let mut beside = Beside {
        domains: call.db.by_ids(rows.iter().map(|a| a.domain_id)).await?,
        zones: call.db.by_ids(rows.iter().filter_map(|a| a.default_zone_id)).await?,
        users: HashMap::new(),
        vms: call.vms_of(&ids).await?,
    };
    let users: Vec<store::User> = call.users_of(&ids).await?.into_values().flatten().collect();
    let owners: Vec<i64> = users.iter().map(|u| u.account_id).collect();
    for (account, user) in owners.into_iter().zip(views::user::of(call, users).await?) {
        beside.users.entry(account).or_default().push(user);
    }
    Ok(rows.into_iter().zip(allowances).map(|(a, allowed)| one(a, &allowed, &mut beside)).collect())
}

fn one(a: store::Account, allowed: &[Allowance], beside: &mut Beside) -> Account {
    let projects = Figures(allowed);
    let domain = beside.domains.get(&a.domain_id);
    let details = details_of(&a);
    Account {
        id: a.uuid,
        name: a.name,
        accounttype: a.account_type,
        domainid: domain.map(|d| d.uuid.clone()),
        domain: domain.map(|d| d.name.clone()),
        defaultzoneid: a.default_zone_id.and_then(|z| beside.zones.get(&z)).map(|z| z.uuid.clone()),
        receivedbytes: None,
        sentbytes: None,
        projectlimit: projects.limit(Limit::Project),
        projecttotal: projects.used(Limit::Project),
        projectavailable: projects.left(Limit::Project),
        figures: OwnerFigures::of(allowed, beside.vms.get(&a.id)),
        state: a.state,
        iscleanuprequired: a.cleanup,
        user: beside.users.remove(&a.id).unwrap_or_default(),
        networkdomain: a.network_domain,
        accountdetails: (!details.is_empty()).then_some(details),
        isdefault: a.id <= ADMIN,
    }
}
