//! The verbs of the cloud: what a command does once a door has said who asks.
//!
//! - A **verb** is a method of [`Engine`] in the file of its noun. It takes a [`Call`] (who, under which command, in which job) and
//!   rows or plain values, and returns rows. It knows no wire format.
//! - What changes the world runs in a **job** ([`jobs`]): a row written with the thing it works on, carried out in order per queue,
//!   taken up again after a crash. A job's steps are a [`saga`]: each saved when done, each repeatable, each with its undo.
//! - **Reservations** are single conditional statements (`limits.rs`, `capacity.rs`, `addresses.rs`), so fifty parallel deploys cannot
//!   pass a limit, fill a host twice or share an address.
//! - What must stay true over time is a **reconciler** (`reconcile.rs`): it gets a key, reads the world and acts.
//! - **Events** are written in the transaction of what they tell (`events.rs`).
//!
//! The engine names no driver and no door. A door hands over an [`Execute`] so that a job can run a command again after a restart.
mod access;
pub mod account;
mod account_end;
pub mod addresses;
pub mod affinity;
pub mod alert;
pub mod allocators;
pub mod bucket;
mod bucket_check;
pub mod bucket_object;
pub mod bucket_upload;
mod call;
pub mod capacities;
mod capacity;
pub mod capacity_samples;
pub mod certificate;
pub mod check;
pub mod cluster;
pub mod configuration;
mod console;
pub mod dedication;
pub mod detail;
pub mod disk_offering;
pub mod domain;
pub mod ec2_attribute;
pub mod ec2_facts;
pub mod ec2_id;
pub mod ec2_networks;
pub mod ec2_offering;
mod engine;
pub mod event;
mod events;
pub mod figures;
pub mod group_members;
pub mod group_push;
pub mod group_rules;
pub mod host;
pub mod hypervisor;
pub mod hypervisor_capability;
mod identity;
pub mod image_store;
pub mod instance_group;
pub mod invitation;
pub mod ip_range;
pub mod job;
pub mod jobs;
pub mod ldap;
pub mod limit;
mod limits;
pub mod location;
pub mod mail;
pub mod network;
pub mod network_offering;
pub mod network_query;
pub mod os_type;
pub mod physical_network;
mod places;
pub mod pod;
pub mod pool;
pub mod pool_maintenance;
pub mod project;
pub mod provider;
pub mod public_address;
pub mod reconcile;
mod recount;
pub mod region;
pub mod saga;
pub mod security_group;
pub mod service_offering;
pub mod session;
pub mod settings;
pub mod setup;
pub mod snapshot;
pub mod snapshot_policy;
pub mod ssh_key;
pub mod static_nat;
pub mod store_definition;
pub mod tag;
pub mod template;
pub mod template_fetch;
pub mod template_make;
pub mod throttle;
pub mod user;
pub mod user_certificate;
pub mod vm;
mod vm_assign;
mod vm_end;
mod vm_iso;
mod vm_migrate;
mod vm_nic;
mod vm_password;
mod vm_reserve;
mod vm_restore;
mod vm_size;
pub mod vm_snapshot;
mod vm_start;
mod vm_stop;
pub mod vnet;
pub mod volume;
mod volume_place;
pub mod volume_relocate;
pub mod volume_work;
pub mod zone;

pub use access::{ListScope, Listing, Owned, ProjectChoice, ScopeRequest};
pub use call::Call;
pub use capacity::{Amount, Demand};
pub use engine::{Engine, EngineConfig};
pub use events::{Level, Topic};
pub use identity::{hash_password, new_key, verify_password};
pub use jobs::{Execute, JobDraft};
pub use limits::{GIB, Take};
pub use places::Reach;
pub use settings::Settings;
pub use vm_assign::VmAssign;
