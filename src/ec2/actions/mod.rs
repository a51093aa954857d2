//! What a table cannot say. A mapping names these functions; a test sees to it that each name is there.
mod addresses;
mod attribute;
mod copies;
mod disks;
mod groups;
mod image_attribute;
mod image_make;
mod images;
pub mod instances;
mod keys;
mod launch;
mod launch_disks;
mod networks;
mod placement;
mod places;
mod rules;
mod snapshots;
mod tags;
mod tokens;
mod volume_status;
mod volumes;
mod vpc;

use crate::{Cx, Outcome};
use futures::future::BoxFuture;
use rules::Way;
use serde_json::Value;

/// Carries an action out.
pub type Function = for<'a> fn(&'a Cx) -> BoxFuture<'a, Outcome<Value>>;
/// Joins to native records what the answer shows beside them.
pub type Gather = for<'a> fn(&'a Cx, Vec<Value>) -> BoxFuture<'a, Outcome<Vec<Value>>>;
/// Makes groups of records.
pub type Group = fn(Vec<Value>) -> Vec<Value>;
/// Gives records that stand in a list and natively no more.
pub type Tail = for<'a> fn(&'a Cx) -> BoxFuture<'a, Outcome<Vec<Value>>>;

const FUNCTIONS: &[(&str, Function)] = &[
    ("account_attributes", |cx| Box::pin(places::account_attributes(cx))),
    ("allocate_address", |cx| Box::pin(addresses::allocate(cx))),
    ("associate_address", |cx| Box::pin(addresses::associate(cx))),
    ("attach_volume", |cx| Box::pin(disks::attach(cx))),
    ("authorize_egress", |cx| Box::pin(rules::authorize(cx, Way::Out))),
    ("authorize_ingress", |cx| Box::pin(rules::authorize(cx, Way::In))),
    ("caller_identity", |cx| Box::pin(places::caller_identity(cx))),
    ("console_output", |cx| Box::pin(attribute::console(cx))),
    ("copy_image", |cx| Box::pin(copies::image(cx))),
    ("copy_snapshot", |cx| Box::pin(copies::snapshot(cx))),
    ("create_group", |cx| Box::pin(groups::create(cx))),
    ("create_image", |cx| Box::pin(image_make::create(cx))),
    ("create_key", |cx| Box::pin(keys::create(cx))),
    ("create_placement", |cx| Box::pin(placement::create(cx))),
    ("create_snapshot", |cx| Box::pin(snapshots::create(cx))),
    ("create_tags", |cx| Box::pin(tags::create(cx))),
    ("create_volume", |cx| Box::pin(disks::create(cx))),
    ("delete_group", |cx| Box::pin(groups::delete(cx))),
    ("delete_key", |cx| Box::pin(keys::delete(cx))),
    ("delete_placement", |cx| Box::pin(placement::delete(cx))),
    ("delete_snapshot", |cx| Box::pin(snapshots::delete(cx))),
    ("delete_tags", |cx| Box::pin(tags::delete(cx))),
    ("delete_volume", |cx| Box::pin(disks::delete(cx))),
    ("deprecate_image", |cx| Box::pin(image_attribute::deprecate(cx))),
    ("deregister_image", |cx| Box::pin(image_make::deregister(cx))),
    ("detach_volume", |cx| Box::pin(disks::detach(cx))),
    ("disassociate_address", |cx| Box::pin(addresses::disassociate(cx))),
    ("enable_volume_io", |cx| Box::pin(volume_status::enable_io(cx))),
    ("id_format", |cx| Box::pin(async move { places::id_format(cx) })),
    ("image_attribute", |cx| Box::pin(image_attribute::describe(cx))),
    ("import_key", |cx| Box::pin(keys::import(cx))),
    ("instance_attribute", |cx| Box::pin(attribute::describe(cx))),
    ("instance_options", |cx| Box::pin(attribute::options(cx))),
    ("modify_image", |cx| Box::pin(image_attribute::modify(cx))),
    ("modify_instance", |cx| Box::pin(attribute::modify(cx))),
    ("modify_nic", |cx| Box::pin(vpc::modify_interface(cx))),
    ("modify_placement", |cx| Box::pin(placement::modify(cx))),
    ("modify_snapshot", |cx| Box::pin(snapshots::modify(cx))),
    ("modify_volume", |cx| Box::pin(volume_status::modify(cx))),
    ("modify_volume_attribute", |cx| Box::pin(volume_status::modify_attribute(cx))),
    ("monitor", |cx| Box::pin(attribute::monitor(cx))),
    ("nic_attribute", |cx| Box::pin(vpc::interface_attribute(cx))),
    ("password_data", |cx| Box::pin(attribute::password(cx))),
    ("register_image", |cx| Box::pin(image_make::register(cx))),
    ("release_address", |cx| Box::pin(addresses::release(cx))),
    ("reset_image", |cx| Box::pin(image_attribute::reset(cx))),
    ("reset_instance", |cx| Box::pin(attribute::reset(cx))),
    ("revoke_egress", |cx| Box::pin(rules::revoke(cx, Way::Out))),
    ("revoke_ingress", |cx| Box::pin(rules::revoke(cx, Way::In))),
    ("group_references", |cx| Box::pin(rules::references(cx))),
    ("modify_rules", |cx| Box::pin(rules::modify(cx))),
    ("rule_descriptions_egress", |cx| Box::pin(rules::descriptions(cx, Way::Out))),
    ("rule_descriptions_ingress", |cx| Box::pin(rules::descriptions(cx, Way::In))),
    ("stale_groups", |cx| Box::pin(rules::stale(cx))),
    ("run_instances", |cx| Box::pin(launch::run(cx))),
    ("snapshot_attribute", |cx| Box::pin(snapshots::attribute(cx))),
    ("volume_attribute", |cx| Box::pin(volume_status::attribute(cx))),
    ("vpc_attribute", |cx| Box::pin(vpc::attribute(cx))),
];

const GATHERS: &[(&str, Gather)] = &[
    ("addresses", |cx, records| Box::pin(addresses::gather(cx, records))),
    ("group_rules", |cx, records| Box::pin(groups::rules(cx, records))),
    ("groups", |cx, records| Box::pin(groups::gather(cx, records))),
    ("images", |cx, records| Box::pin(images::gather(cx, records))),
    ("instance_status", |cx, records| Box::pin(instances::status(cx, records))),
    ("instance_types", |cx, records| Box::pin(places::types(cx, records))),
    ("instances", |cx, records| Box::pin(instances::listed(cx, records))),
    ("keys", |cx, records| Box::pin(keys::gather(cx, records))),
    ("modifications", |cx, records| Box::pin(volume_status::modifications(cx, records))),
    ("nics", |cx, records| Box::pin(vpc::interfaces(cx, records))),
    ("placement", |_, records| Box::pin(async move { Ok(placement::gather(records)) })),
    ("regions", |cx, records| Box::pin(async move { Ok(places::regions(cx, records)) })),
    ("snapshots", |cx, records| Box::pin(snapshots::listed(cx, records))),
    ("subnets", |cx, records| Box::pin(vpc::subnets(cx, records))),
    ("tags", |cx, records| Box::pin(tags::gather(cx, records))),
    ("type_offerings", |cx, records| Box::pin(places::type_offerings(cx, records))),
    ("volume_status", |cx, records| Box::pin(volume_status::gather(cx, records))),
    ("volumes", |cx, records| Box::pin(volumes::gather(cx, records))),
    ("vpcs", |cx, records| Box::pin(vpc::vpcs(cx, records))),
    ("zones", |cx, records| Box::pin(places::zones(cx, records))),
];

const TAILS: &[(&str, Tail)] = &[("gone_instances", |cx| Box::pin(instances::gone(cx)))];

const GROUPS: &[(&str, Group)] = &[("reservations", instances::reservations)];

fn find<T: Copy>(all: &[(&str, T)], name: &str) -> Option<T> {
    all.iter().find(|(n, _)| *n == name).map(|(_, f)| *f)
}

/// A function by the name that mappings call it.
pub fn function(name: &str) -> Option<Function> {
    find(FUNCTIONS, name)
}
/// A joining function.
pub fn gather(name: &str) -> Option<Gather> {
    find(GATHERS, name)
}
/// A function that gives the tail of a list.
pub fn tail(name: &str) -> Option<Tail> {
    find(TAILS, name)
}
/// A grouping function.
pub fn group(name: &str) -> Option<Group> {
    find(GROUPS, name)
}
