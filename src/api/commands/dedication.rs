//! Dedicated zones, pods, clusters and hosts: the same three commands for each, so they are written once.
use crate::prelude::*;
use stratus_engine::dedication::{DedicationFilter, Place};

/// What stands beside dedications, each table read once.
struct Beside {
    domains: std::collections::HashMap<i64, store::Domain>,
    accounts: std::collections::HashMap<i64, store::Account>,
    groups: std::collections::HashMap<i64, store::AffinityGroup>,
}

impl Beside {
    async fn of(call: &Call, rows: &[store::Dedication]) -> Result<Self> {
        Ok(Self {
            domains: call.db.by_ids(rows.iter().map(|d| d.domain_id)).await?,
            accounts: call.db.by_ids(rows.iter().filter_map(|d| d.account_id)).await?,
            groups: call.db.by_ids(rows.iter().filter_map(|d| d.affinity_group_id)).await?,
        })
    }
    fn domain(&self, d: &store::Dedication) -> Option<String> {
        self.domains.get(&d.domain_id).map(|d| d.uuid.clone())
    }
    fn account(&self, d: &store::Dedication) -> Option<String> {
        d.account_id.and_then(|a| self.accounts.get(&a)).map(|a| a.uuid.clone())
    }
    fn group(&self, d: &store::Dedication) -> Option<String> {
        d.affinity_group_id.and_then(|g| self.groups.get(&g)).map(|g| g.uuid.clone())
    }
}

/// The account that is named beside a domain.
async fn account_of(call: &Call, name: Option<&str>, domain: &store::Domain) -> Result<Option<store::Account>> {
    match name {
        Some(name) => call.account_in_domain(domain.id, name).await.map(Some),
        None => Ok(None),
    }
}

async fn filter(
    call: &Call,
    account: Option<String>,
    domain: Option<Ref<store::Domain>>,
    group: Option<Ref<store::AffinityGroup>>,
    place: Option<i64>,
    page: &Paging,
) -> Result<DedicationFilter> {
    let account = match (&account, &domain) {
        (Some(name), Some(d)) => Some(call.account_in_domain(d.0.id, name).await?.id),
        (Some(_), None) => return Err(Error::invalid("domainid", "is needed beside account")),
        _ => None,
    };
    let (domain, group) = (domain.map(|d| d.0.id), group.map(|g| g.0.id));
    Ok(DedicationFilter { place, domain, account, group, page: page.range(call)? })
}

/// The commands of one kind of place: its type and word, the parameter and field that hold its ID, the field of its name; then the
/// names, keys and sentences on the wire.
macro_rules! dedicated {
    (
        $module:ident: $place:ident, $word:literal, $id:ident, $name:ident, $id_doc:tt, $name_doc:tt;
        dedicate $dedicate:tt, $dedicate_doc:tt, $dedicate_job:tt; list $list:tt, $list_doc:tt, $only_doc:tt;
        release $release:tt, $release_doc:tt, $release_job:tt; answer $answer:tt, $on:tt
    ) => {
        mod $module {
            use super::*;

            #[doc = "A dedicated place."]
            #[derive(View)]
            pub struct Dedicated {
                /// the ID of the dedication
                pub id: String,
                #[doc = $id_doc]
                pub $id: Option<String>,
                #[doc = $name_doc]
                pub $name: Option<String>,
                /// the ID of the domain that may use it
                pub domainid: Option<String>,
                /// the ID of the account that alone may use it
                pub accountid: Option<String>,
                /// the ID of the affinity group whose VMs run on what is dedicated so
                pub affinitygroupid: Option<String>,
            }

            async fn of(call: &Call, rows: Vec<store::Dedication>) -> Result<Vec<Dedicated>> {
                let beside = Beside::of(call, &rows).await?;
                let places = call.db.by_ids::<store::$place>(rows.iter().map(|d| d.place_id)).await?;
                let one = |d: store::Dedication| {
                    let place = places.get(&d.place_id);
                    Dedicated {
                        $id: place.map(|p| p.uuid.clone()),
                        $name: place.map(|p| p.name.clone()),
                        domainid: beside.domain(&d),
                        accountid: beside.account(&d),
                        affinitygroupid: beside.group(&d),
                        id: d.uuid,
                    }
                };
                Ok(rows.into_iter().map(one).collect())
            }

            #[doc = $dedicate_doc]
            #[derive(Command)]
            #[command(name = $dedicate, roles = "admin", answer = $answer, view = Dedicated, since = "4.2", event = "DEDICATE.RESOURCE", job = $dedicate_job, on = $on)]
            pub struct Dedicate {
                #[doc = $id_doc]
                $id: Ref<store::$place>,
                /// the ID of the domain
                domainid: Ref<store::Domain>,
                /// the account of that domain that alone may use it
                account: Option<String>,
            }
            impl Run for Dedicate {
                async fn run(self, call: &Call) -> Result<Answer> {
                    let account = account_of(call, self.account.as_deref(), &self.domainid.0).await?;
                    let made = call.dedicate(call, Place::$place(self.$id.0), self.domainid.0, account).await?;
                    Ok(Answer::list(1, of(call, vec![made]).await?))
                }
            }

            #[doc = $list_doc]
            #[derive(Command)]
            #[command(name = $list, roles = "admin", answer = $answer, view = Dedicated, since = "4.2")]
            pub struct List {
                /// only those of this account; needs domainid
                account: Option<String>,
                /// only those of this affinity group
                affinitygroupid: Option<Ref<store::AffinityGroup>>,
                /// only those of this domain, or the domain of the account
                domainid: Option<Ref<store::Domain>>,
                #[doc = $only_doc]
                $id: Option<Ref<store::$place>>,
                #[param(flatten)]
                page: Paging,
            }
            impl Run for List {
                async fn run(self, call: &Call) -> Result<Answer> {
                    let place = self.$id.map(|p| p.0.id);
                    let filter = filter(call, self.account, self.domainid, self.affinitygroupid, place, &self.page).await?;
                    let found = call.dedication_list($word, filter).await?;
                    Ok(Answer::list(found.count, of(call, found.rows).await?))
                }
            }

            #[doc = $release_doc]
            #[derive(Command)]
            #[command(name = $release, roles = "admin", since = "4.2", event = "DEDICATE.RESOURCE.RELEASE", job = $release_job, on = $on)]
            pub struct Release {
                #[doc = $id_doc]
                $id: Ref<store::$place>,
            }
            impl Run for Release {
                async fn run(self, call: &Call) -> Result<Answer> {
                    call.dedication_release(call, Place::$place(self.$id.0)).await?;
                    Ok(Answer::success())
                }
            }

            pub(super) fn register(r: &mut Registry) {
                r.add::<Dedicate>();
                r.add::<List>();
                r.add::<Release>();
            }
        }
    };
}

dedicated! {
    zone: Zone, "zone", zoneid, zonename, "the ID of the zone", "the name of the zone";
    dedicate "dedicateZone", "Lets only one domain, or one account of it, use a zone.", "dedicating a zone";
    list "listDedicatedZones", "Lists dedicated zones.", "only the zone with this ID";
    release "releaseDedicatedZone", "Lets everybody use a zone again.", "releasing a zone";
    answer "dedicatedzone", "zoneid"
}
dedicated! {
    pod: Pod, "pod", podid, podname, "the ID of the pod", "the name of the pod";
    dedicate "dedicatePod", "Lets only one domain, or one account of it, use a pod.", "dedicating a pod";
    list "listDedicatedPods", "Lists dedicated pods.", "only the pod with this ID";
    release "releaseDedicatedPod", "Lets everybody use a pod again.", "releasing a pod";
    answer "dedicatedpod", "podid"
}
dedicated! {
    cluster: Cluster, "cluster", clusterid, clustername, "the ID of the cluster", "the name of the cluster";
    dedicate "dedicateCluster", "Lets only one domain, or one account of it, use a cluster.", "dedicating a cluster";
    list "listDedicatedClusters", "Lists dedicated clusters.", "only the cluster with this ID";
    release "releaseDedicatedCluster", "Lets everybody use a cluster again.", "releasing a cluster";
    answer "dedicatedcluster", "clusterid"
}
dedicated! {
    host: Host, "host", hostid, hostname, "the ID of the host", "the name of the host";
    dedicate "dedicateHost", "Lets only one domain, or one account of it, use a host.", "dedicating a host";
    list "listDedicatedHosts", "Lists dedicated hosts.", "only the host with this ID";
    release "releaseDedicatedHost", "Lets everybody use a host again.", "releasing a host";
    answer "dedicatedhost", "hostid"
}

pub(crate) fn register(r: &mut Registry) {
    zone::register(r);
    pod::register(r);
    cluster::register(r);
    host::register(r);
}
