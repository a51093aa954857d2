use crate::prelude::*;
use stratus_engine::configuration::Configured;

/// A setting.
#[derive(View)]
pub struct Configuration {
    /// the group of the setting
    pub category: String,
    /// the name of the setting
    pub name: String,
    /// the value; not shown for secrets
    pub value: Option<String>,
    /// what the setting is for, and whether a change takes a restart
    pub description: String,
    /// where else than for the whole cloud the setting can be set: zone, cluster, storagepool or account; else global
    pub scope: String,
    /// the key of the zone, cluster, pool or account that the value was asked for
    pub id: Option<i64>,
}

pub(crate) fn one(c: Configured, id: Option<i64>) -> Configuration {
    let d = c.definition;
    let restart = if d.restart { " Read at start: a change takes a restart." } else { "" };
    Configuration {
        category: d.category.clone(),
        name: d.name.clone(),
        value: c.value,
        description: format!("{}{restart}", d.description),
        scope: c.scope.into(),
        id,
    }
}

/// What this cloud can do, for clients to arrange themselves by.
#[derive(View)]
pub struct Capability {
    /// whether some zone has security groups
    pub securitygroupsenabled: bool,
    /// the level of the API
    pub cloudstackversion: String,
    /// whether the caller may make templates public
    pub userpublictemplateenabled: bool,
    /// whether there is elastic load balancing: true or false
    #[view(name = "supportELB")]
    pub support_elb: String,
    /// whether accounts must accept an invitation before they are in a project
    pub projectinviterequired: bool,
    /// whether users may create projects
    pub allowusercreateprojects: bool,
    /// the largest custom disk in GB
    pub customdiskofferingmaxsize: i64,
    /// whether secondary storage serves a whole region
    pub regionsecondaryenabled: bool,
    /// whether volumes of running VMs on KVM can be snapshot
    pub kvmsnapshotenabled: bool,
    /// seconds in which calls are counted, when they are limited
    pub apilimitinterval: Option<i32>,
    /// calls that an account may make in that time, when they are limited
    pub apilimitmax: Option<i32>,
}
