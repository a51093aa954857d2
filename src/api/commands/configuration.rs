use crate::prelude::*;
use crate::views::configuration::{Capability, Configuration};
use stratus_engine::configuration::{ConfigurationFilter, Place};

/// The place that at most one of the four ids names.
fn place(
    zone: Option<Ref<store::Zone>>,
    cluster: Option<Ref<store::Cluster>>,
    pool: Option<Ref<store::StoragePool>>,
    account: Option<Ref<store::Account>>,
) -> Result<Option<Place>> {
    let given = [
        zone.map(|z| Place { scope: "zone", id: z.0.id }),
        cluster.map(|c| Place { scope: "cluster", id: c.0.id }),
        pool.map(|p| Place { scope: "storagepool", id: p.0.id }),
        account.map(|a| Place { scope: "account", id: a.0.id }),
    ];
    let mut given = given.into_iter().flatten();
    match (given.next(), given.next()) {
        (_, Some(_)) => Err(Error::invalid("zoneid", "only one of zoneid, clusterid, storageid and accountid can be given")),
        (place, None) => Ok(place),
    }
}

/// Lists settings with their values.
#[derive(Command)]
#[command(name = "listConfigurations", roles = "admin", answer = "configuration", view = Configuration)]
pub struct ListConfigurations {
    /// only settings that accounts can have, with the values of this one
    #[param(since = "4.2")]
    accountid: Option<Ref<store::Account>>,
    /// only settings of this group
    category: Option<String>,
    /// only settings that clusters can have, with the values of this one
    #[param(since = "4.2")]
    clusterid: Option<Ref<store::Cluster>>,
    /// only the setting of this name
    name: Option<String>,
    /// only settings that storage pools can have, with the values of this one
    #[param(since = "4.2")]
    storageid: Option<Ref<store::StoragePool>>,
    /// only settings that zones can have, with the values of this one
    #[param(since = "4.2")]
    zoneid: Option<Ref<store::Zone>>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListConfigurations {
    async fn run(self, call: &Call) -> Result<Answer> {
        let place = place(self.zoneid, self.clusterid, self.storageid, self.accountid)?;
        let filter = ConfigurationFilter {
            name: self.name,
            category: self.category,
            place,
            page: self.page.range(call)?,
            keyword: self.page.keyword,
        };
        let found = call.configuration_list(&filter);
        let id = place.map(|p| p.id);
        Ok(Answer::list(found.count, found.rows.into_iter().map(|c| views::configuration::one(c, id)).collect()))
    }
}

/// Sets a setting, for the whole cloud or one place in it. It holds at once, except where its description says otherwise.
#[derive(Command)]
#[command(name = "updateConfiguration", roles = "admin", answer = "configuration", view = Configuration, event = "CONFIGURATION.VALUE.EDIT")]
pub struct UpdateConfiguration {
    /// the name of the setting
    name: String,
    /// the account that the value is for
    #[param(since = "4.2")]
    accountid: Option<Ref<store::Account>>,
    /// the cluster that the value is for
    #[param(since = "4.2")]
    clusterid: Option<Ref<store::Cluster>>,
    /// the storage pool that the value is for
    #[param(since = "4.2")]
    storageid: Option<Ref<store::StoragePool>>,
    /// the new value
    #[param(length = 4095)]
    value: Option<String>,
    /// the zone that the value is for
    #[param(since = "4.2")]
    zoneid: Option<Ref<store::Zone>>,
}
impl Run for UpdateConfiguration {
    async fn run(self, call: &Call) -> Result<Answer> {
        let place = place(self.zoneid, self.clusterid, self.storageid, self.accountid)?;
        let now = call.configuration_update(call, &self.name, self.value, place.unwrap_or(Place::CLOUD)).await?;
        Ok(Answer::one(views::configuration::one(now, place.map(|p| p.id))))
    }
}

/// Lists what this cloud can do.
#[derive(Command)]
#[command(name = "listCapabilities", roles = "all", answer = "capability", view = Capability)]
pub struct ListCapabilities {}
impl Run for ListCapabilities {
    async fn run(self, call: &Call) -> Result<Answer> {
        let with_groups = store::Query::live().eq("security_groups", true);
        let regional = store::Query::live().eq("scope", "REGION");
        let number = |name: &str| i32::try_from(call.settings.number(name)).unwrap_or(i32::MAX);
        let limited = call.settings.flag("api.throttling.enabled");
        let public = call.settings.scoped("allow.public.user.templates", "account", call.caller.account_id);
        Ok(Answer::one(Capability {
            securitygroupsenabled: call.db.count::<store::Zone>(with_groups).await? > 0,
            cloudstackversion: "4.3.0".into(),
            userpublictemplateenabled: public.is_some_and(|t| t.eq_ignore_ascii_case("true")),
            support_elb: call.settings.flag("network.loadbalancer.basiczone.elb.enabled").to_string(),
            projectinviterequired: call.settings.flag("project.invite.required"),
            allowusercreateprojects: call.settings.flag("allow.user.create.projects"),
            customdiskofferingmaxsize: call.settings.number("custom.diskoffering.size.max"),
            regionsecondaryenabled: call.db.count::<store::ImageStore>(regional).await? > 0,
            kvmsnapshotenabled: call.settings.flag("kvm.snapshot.enabled"),
            apilimitinterval: limited.then(|| number("api.throttling.interval")),
            apilimitmax: limited.then(|| number("api.throttling.max")),
        }))
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<ListConfigurations>();
    r.add::<UpdateConfiguration>();
    r.add::<ListCapabilities>();
}
