//! What an account or a project may have, has and may still get: the same fields in the answers of both.
use crate::prelude::*;
use stratus_engine::limit::Allowance;
use stratus_model::Limit;

/// Limits and what is used of them. A limit that is not set is `Unlimited`.
#[derive(View)]
pub struct OwnerFigures {
    /// VMs that the owner may have, or Unlimited
    pub vmlimit: String,
    /// VMs that the owner has
    pub vmtotal: i64,
    /// VMs that the owner may still get, or Unlimited
    pub vmavailable: String,
    /// public addresses that the owner may have, or Unlimited
    pub iplimit: String,
    /// public addresses that the owner has
    pub iptotal: i64,
    /// public addresses that the owner may still get, or Unlimited
    pub ipavailable: String,
    /// volumes that the owner may have, or Unlimited
    pub volumelimit: String,
    /// volumes that the owner has
    pub volumetotal: i64,
    /// volumes that the owner may still get, or Unlimited
    pub volumeavailable: String,
    /// snapshots that the owner may have, or Unlimited
    pub snapshotlimit: String,
    /// snapshots that the owner has
    pub snapshottotal: i64,
    /// snapshots that the owner may still get, or Unlimited
    pub snapshotavailable: String,
    /// templates that the owner may have, or Unlimited
    pub templatelimit: String,
    /// templates that the owner has
    pub templatetotal: i64,
    /// templates that the owner may still get, or Unlimited
    pub templateavailable: String,
    /// networks that the owner may have, or Unlimited
    pub networklimit: String,
    /// networks that the owner has
    pub networktotal: i64,
    /// networks that the owner may still get, or Unlimited
    pub networkavailable: String,
    /// VPCs that the owner may have, or Unlimited
    pub vpclimit: String,
    /// VPCs that the owner has
    pub vpctotal: i64,
    /// VPCs that the owner may still get, or Unlimited
    pub vpcavailable: String,
    /// CPU cores that the owner may have, or Unlimited
    pub cpulimit: String,
    /// CPU cores that the owner has
    pub cputotal: i64,
    /// CPU cores that the owner may still get, or Unlimited
    pub cpuavailable: String,
    /// MiB of memory that the owner may have, or Unlimited
    pub memorylimit: String,
    /// MiB of memory that the owner has
    pub memorytotal: i64,
    /// MiB of memory that the owner may still get, or Unlimited
    pub memoryavailable: String,
    /// GiB of primary storage that the owner may have, or Unlimited
    pub primarystoragelimit: String,
    /// GiB of primary storage that the owner has
    pub primarystoragetotal: i64,
    /// GiB of primary storage that the owner may still get, or Unlimited
    pub primarystorageavailable: String,
    /// GiB of secondary storage that the owner may have, or Unlimited
    pub secondarystoragelimit: String,
    /// GiB of secondary storage that the owner has
    pub secondarystoragetotal: i64,
    /// GiB of secondary storage that the owner may still get, or Unlimited
    pub secondarystorageavailable: String,
    /// VMs that run
    pub vmrunning: i32,
    /// VMs that are stopped
    pub vmstopped: i32,
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

impl OwnerFigures {
    /// From what is allowed and used, and how many VMs run and are stopped.
    pub fn of(allowed: &[Allowance], vms: Option<&(i64, i64)>) -> Self {
        let figures = Figures(allowed);
        let (limit, left, used) = (|l| figures.limit(l), |l| figures.left(l), |l| figures.used(l));
        let (running, stopped) = vms.copied().unwrap_or_default();
        Self {
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
            vmrunning: i32::try_from(running).unwrap_or(i32::MAX),
            vmstopped: i32::try_from(stopped).unwrap_or(i32::MAX),
        }
    }
}
