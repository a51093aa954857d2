//! The records of answers, one file a noun: how rows look on the wire. Each file has the record and an `of` that builds a page of
//! them with one query per table beside it.
pub(crate) mod account;
pub(crate) mod address;
pub(crate) mod affinity_group;
pub(crate) mod bucket;
pub(crate) mod capacity;
pub(crate) mod cluster;
pub(crate) mod configuration;
pub(crate) mod console;
pub(crate) mod disk_offering;
pub(crate) mod domain;
pub(crate) mod event;
pub(crate) mod extract;
pub(crate) mod guest_vlan;
pub(crate) mod host;
pub(crate) mod image_store;
pub(crate) mod instance_group;
pub(crate) mod ip_range;
pub(crate) mod job;
pub(crate) mod limit;
pub(crate) mod network;
pub(crate) mod network_offering;
pub(crate) mod nic;
pub(crate) mod os_type;
pub(crate) mod owner_figures;
pub(crate) mod physical_network;
pub(crate) mod pod;
pub(crate) mod pool;
pub(crate) mod portable_range;
pub(crate) mod project;
pub(crate) mod region;
pub(crate) mod security_group;
pub(crate) mod service_offering;
pub(crate) mod snapshot;
pub(crate) mod ssh_key;
pub(crate) mod tag;
pub(crate) mod template;
pub(crate) mod user;
pub(crate) mod user_certificate;
pub(crate) mod vm;
pub(crate) mod vm_snapshot;
pub(crate) mod volume;
pub(crate) mod zone;

/// The answer that is one record, from a page of one.
pub(crate) fn one<V: crate::declare::Record + 'static>(mut page: Vec<V>) -> crate::prelude::Result<crate::answer::Answer> {
    page.pop().map(crate::answer::Answer::one).ok_or_else(|| stratus_model::Error::internal("what was just made cannot be shown"))
}
