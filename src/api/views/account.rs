use crate::prelude::*;
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
    /// VMs that the account may have, or Unlimited
    pub vmlimit: String,
    /// VMs that the account has
    pub vmtotal: i64,
    /// VMs that the account may still get, or Unlimited
    pub vmavailable: String,
    /// public addresses that the account may have, or Unlimited
    pub iplimit: String,
    /// public addresses that the account has
    pub iptotal: i64,
    /// public addresses that the account may still get, or Unlimited
    pub ipavailable: String,
    /// volumes that the account may have, or Unlimited
    pub volumelimit: String,
    /// volumes that the account has
    pub volumetotal: i64,
    /// volumes that the account may still get, or Unlimited
    pub volumeavailable: String,
    /// snapshots that the account may have, or Unlimited
    pub snapshotlimit: String,
    /// snapshots that the account has
    pub snapshottotal: i64,
    /// snapshots that the account may still get, or Unlimited
    pub snapshotavailable: String,
    /// templates that the account may have, or Unlimited
    pub templatelimit: String,
    /// templates that the account has
    pub templatetotal: i64,
    /// templates that the account may still get, or Unlimited
    pub templateavailable: String,
    /// projects that the account may have, or Unlimited
    pub projectlimit: String,
    /// projects that the account has
    pub projecttotal: i64,
    /// projects that the account may still get, or Unlimited
    pub projectavailable: String,
    /// networks that the account may have, or Unlimited
    pub networklimit: String,
    /// networks that the account has
    pub networktotal: i64,
    /// networks that the account may still get, or Unlimited
    pub networkavailable: String,
    /// VPCs that the account may have, or Unlimited
    pub vpclimit: String,
    /// VPCs that the account has
    pub vpctotal: i64,
    /// VPCs that the account may still get, or Unlimited
    pub vpcavailable: String,
    /// CPU cores that the account may have, or Unlimited
    pub cpulimit: String,
    /// CPU cores that the account has
    pub cputotal: i64,
    /// CPU cores that the account may still get, or Unlimited
    pub cpuavailable: String,
    /// MiB of memory that the account may have, or Unlimited
    pub memorylimit: String,
    /// MiB of memory that the account has
    pub memorytotal: i64,
    /// MiB of memory that the account may still get, or Unlimited
    pub memoryavailable: String,
    /// GiB of primary storage that the account may have, or Unlimited
    pub primarystoragelimit: String,
    /// GiB of primary storage that the account has
    pub primarystoragetotal: i64,
    /// GiB of primary storage that the account may still get, or Unlimited
    pub primarystorageavailable: String,
    /// GiB of secondary storage that the account may have, or Unlimited
    pub secondarystoragelimit: String,
    /// GiB of secondary storage that the account has
    pub secondarystoragetotal: i64,
    /// GiB of secondary storage that the account may still get, or Unlimited
    pub secondarystorageavailable: String,
    /// VMs that are stopped
    pub vmstopped: i32,
    /// VMs that run
    pub vmrunning: i32,
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

/// What an owner may have, has, and may still get, as answers say it.
pub(crate) struct Figures<'a>(pub &'a [Allowance]);

impl Figures<'_> {
    fn find(&self, l: Limit) -> Option<&Allowance> {
        self.0.iter().find(|x| x.resource == l)
    }
    fn number(n: Option<i64>) -> String {
        n.filter(|n| *n >= 0).map_or_else(|| "Unlimited".to_owned(), |n| n.to_string())
    }
    /// The limit, or Unlimited.
    pub fn limit(&self, l: Limit) -> String {
        Self::number(self.find(l).map(|x| x.max))
    }
    /// What is left of it, or Unlimited.
    pub fn left(&self, l: Limit) -> String {
        Self::number(self.find(l).and_then(Allowance::available))
    }
    /// What is in use.
    pub fn used(&self, l: Limit) -> i64 {
        self.find(l).map_or(0, |x| x.used)
    }
}

fn one(a: store::Account, allowed: &[Allowance], beside: &mut Beside) -> Account {
    let figures = Figures(allowed);
    let (limit, left, used) = (|l| figures.limit(l), |l| figures.left(l), |l| figures.used(l));
    let domain = beside.domains.get(&a.domain_id);
    let (running, stopped) = beside.vms.get(&a.id).copied().unwrap_or_default();
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
        vmlimit: limit(Limit::Vm),
        vmtotal: used(Limit::Vm),
        vmavailable: left(Limit::Vm),
        iplimit: limit(Limit::PublicIp),
        iptotal: used(Limit::PublicIp),
        ipavailable: left(Limit::PublicIp),
        volumelimit: limit(Limit::Volume),
        volumetotal: used(Limit::Volume),
        volumeavailable: left(Limit::Volume),
        snapshotlimit: limit(Limit::Snapshot),
        snapshottotal: used(Limit::Snapshot),
        snapshotavailable: left(Limit::Snapshot),
        templatelimit: limit(Limit::Template),
        templatetotal: used(Limit::Template),
        templateavailable: left(Limit::Template),
        projectlimit: limit(Limit::Project),
        projecttotal: used(Limit::Project),
        projectavailable: left(Limit::Project),
        networklimit: limit(Limit::Network),
        networktotal: used(Limit::Network),
        networkavailable: left(Limit::Network),
        vpclimit: limit(Limit::Vpc),
        vpctotal: used(Limit::Vpc),
        vpcavailable: left(Limit::Vpc),
        cpulimit: limit(Limit::Cpu),
        cputotal: used(Limit::Cpu),
        cpuavailable: left(Limit::Cpu),
        memorylimit: limit(Limit::Memory),
        memorytotal: used(Limit::Memory),
        memoryavailable: left(Limit::Memory),
        primarystoragelimit: limit(Limit::PrimaryStorage),
        primarystoragetotal: used(Limit::PrimaryStorage),
        primarystorageavailable: left(Limit::PrimaryStorage),
        secondarystoragelimit: limit(Limit::SecondaryStorage),
        secondarystoragetotal: used(Limit::SecondaryStorage),
        secondarystorageavailable: left(Limit::SecondaryStorage),
        vmstopped: i32::try_from(stopped).unwrap_or(i32::MAX),
        vmrunning: i32::try_from(running).unwrap_or(i32::MAX),
        state: a.state,
        iscleanuprequired: a.cleanup,
        user: beside.users.remove(&a.id).unwrap_or_default(),
        networkdomain: a.network_domain,
        accountdetails: (!details.is_empty()).then_some(details),
        isdefault: a.id <= ADMIN,
    }
}
