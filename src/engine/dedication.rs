//! Dedicated places: a zone, pod, cluster or host that only one domain (with those below it), or only one account, may use (ACC-11).
//!
//! Whoever else deploys never gets there: the demand of a VM names the places that are barred to its owner, allocators leave them out,
//! and the engine looks once more at what an allocator proposes.
use crate::dedication_group::group_for;
use crate::{Call, Engine, Listing, Topic};
use stratus_model::{Error, Kind, Result};
use stratus_store::{Account, Cluster, Dedication, Domain, Host, Pod, Query, Tx, Vm, Zone};
use uuid::Uuid;

/// A place that can be dedicated.
#[derive(Debug, Clone)]
pub enum Place {
    /// A zone.
    Zone(Zone),
    /// A pod.
    Pod(Pod),
    /// A cluster.
    Cluster(Cluster),
    /// A host.
    Host(Host),
}

/// Which dedications a list shows.
#[derive(Debug, Clone, Default)]
pub struct DedicationFilter {
    /// Of the place with this key.
    pub place: Option<i64>,
    /// To this domain.
    pub domain: Option<i64>,
    /// To this account.
    pub account: Option<i64>,
    /// Of this affinity group.
    pub group: Option<i64>,
    /// Offset and limit.
    pub page: (i64, i64),
}

/// Places within a zone.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Places {
    /// Whole pods.
    pub pods: Vec<i64>,
    /// Whole clusters.
    pub clusters: Vec<i64>,
    /// Hosts.
    pub hosts: Vec<i64>,
}

/// Where a VM may not be.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Barred {
    /// Places that are dedicated to others than its owner.
    #[serde(default)]
    pub places: Places,
    /// Everywhere else than in these, when there are any.
    #[serde(default)]
    pub only: Option<Places>,
}

impl Places {
    /// Whether a host is in one of these places.
    pub fn has(&self, h: &Host) -> bool {
        self.hosts.contains(&h.id) || self.clusters.contains(&h.cluster_id) || self.pods.contains(&h.pod_id)
    }
    /// The places by the column of `host_capacity` that names them.
    pub fn by_column(&self) -> [(&'static str, &[i64]); 3] {
        [("pod_id", &self.pods), ("cluster_id", &self.clusters), ("host_id", &self.hosts)]
    }
    pub(crate) fn add(&mut self, kind: &str, id: i64) {
        match kind {
            "pod" => self.pods.push(id),
            "cluster" => self.clusters.push(id),
            "host" => self.hosts.push(id),
            _ => {}
        }
    }
}

impl Barred {
    /// Whether a host is barred.
    pub fn has(&self, h: &Host) -> bool {
        self.places.has(h) || self.only.as_ref().is_some_and(|only| !only.has(h))
    }
}

impl Place {
    const fn word(&self) -> &'static str {
        match self {
            Self::Zone(_) => "zone",
            Self::Pod(_) => "pod",
            Self::Cluster(_) => "cluster",
            Self::Host(_) => "host",
        }
    }
    const fn kind(&self) -> Kind {
        match self {
            Self::Zone(_) => Kind::Zone,
            Self::Pod(_) => Kind::Pod,
            Self::Cluster(_) => Kind::Cluster,
            Self::Host(_) => Kind::Host,
        }
    }
    const fn id(&self) -> i64 {
        match self {
            Self::Zone(z) => z.id,
            Self::Pod(p) => p.id,
            Self::Cluster(c) => c.id,
            Self::Host(h) => h.id,
        }
    }
    fn uuid(&self) -> &str {
        match self {
            Self::Zone(z) => &z.uuid,
            Self::Pod(p) => &p.uuid,
            Self::Cluster(c) => &c.uuid,
            Self::Host(h) => &h.uuid,
        }
    }
    /// The places around it, and itself: kind and key.
    fn around(&self) -> Vec<(&'static str, i64)> {
        match self {
            Self::Zone(z) => vec![("zone", z.id)],
            Self::Pod(p) => vec![("zone", p.zone_id), ("pod", p.id)],
            Self::Cluster(c) => vec![("zone", c.zone_id), ("pod", c.pod_id), ("cluster", c.id)],
            Self::Host(h) => vec![("zone", h.zone_id), ("pod", h.pod_id), ("cluster", h.cluster_id), ("host", h.id)],
        }
    }
    /// Dedications of places inside it.
    fn inside(&self) -> Query {
        let of = |kind: &'static str| Query::all().eq("place_kind", kind);
        match self {
            Self::Zone(z) => {
                let at = || Query::live().eq("zone_id", z.id);
                Query::all().any([
                    of("pod").key_in::<Pod>("place_id", "id", at()),
                    of("cluster").key_in::<Cluster>("place_id", "id", at()),
                    of("host").key_in::<Host>("place_id", "id", at()),
                ])
            }
            Self::Pod(p) => {
                let at = || Query::live().eq("pod_id", p.id);
                Query::all()
                    .any([of("cluster").key_in::<Cluster>("place_id", "id", at()), of("host").key_in::<Host>("place_id", "id", at())])
            }
            Self::Cluster(c) => of("host").key_in::<Host>("place_id", "id", Query::live().eq("cluster_id", c.id)),
            Self::Host(_) => Query::all().within("id", Vec::<i64>::new()),
        }
    }
    /// Hosts in it.
    fn hosts(&self) -> Query {
        let column = match self {
            Self::Zone(_) => "zone_id",
            Self::Pod(_) => "pod_id",
            Self::Cluster(_) => "cluster_id",
            Self::Host(_) => "id",
        };
        Query::live().eq(column, self.id())
    }
}

/// Whether an account of these domains (its own and those above) may use what is dedicated so.
fn open_to(d: &Dedication, account: i64, domains: &[i64]) -> bool {
    match d.account_id {
        Some(a) => a == account,
        None => domains.contains(&d.domain_id),
    }
}

fn topic(call: &Call, p: &Place) -> Topic {
    Topic::of_caller(call, p.kind(), p.id())
}

impl Engine {
    /// Dedicates a place to a domain or an account of it.
    pub async fn dedicate(&self, call: &Call, place: Place, domain: Domain, account: Option<Account>) -> Result<Dedication> {
        let call = call.clone();
        self.db.write(move |tx| Box::pin(async move { dedicate(tx, &call, place, domain, account).await })).await
    }

    /// Opens a dedicated place to everybody again.
    pub async fn dedication_release(&self, call: &Call, place: Place) -> Result<()> {
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let row = Query::all().eq("place_kind", place.word()).eq("place_id", place.id());
                    let Some(there) = tx.find_one::<Dedication>(row).await? else {
                        // A job that runs again finds its work done.
                        return match call.job {
                            Some(_) => Ok(()),
                            None => Err(Error::invalid(format!("{}id", place.word()), "is not dedicated")),
                        };
                    };
                    tx.delete::<Dedication>(Query::all().eq("id", there.id)).await?;
                    if let Some(group) = there.affinity_group_id {
                        crate::dedication_group::released(tx, &call, group).await?;
                    }
                    if let Place::Zone(z) = &place {
                        tx.set::<Zone>(z.id, vec![("domain_id", None::<i64>.into())]).await?;
                    }
                    call.log(tx, topic(&call, &place), format!("{} {} is open to everybody", place.word(), place.uuid())).await
                })
            })
            .await
    }

    /// Dedications of places of a kind that are still there.
    pub async fn dedication_list(&self, place_kind: &'static str, f: DedicationFilter) -> Result<Listing<Dedication>> {
        let q = Query::all().eq("place_kind", place_kind).eq_opt("place_id", f.place).eq_opt("domain_id", f.domain);
        let q = q.eq_opt("account_id", f.account).eq_opt("affinity_group_id", f.group);
        let q = match place_kind {
            "zone" => q.key_in::<Zone>("place_id", "id", Query::live()),
            "pod" => q.key_in::<Pod>("place_id", "id", Query::live()),
            "cluster" => q.key_in::<Cluster>("place_id", "id", Query::live()),
            _ => q.key_in::<Host>("place_id", "id", Query::live()),
        };
        Ok(Listing { count: self.db.count::<Dedication>(q.clone()).await?, rows: self.db.find(q.page(f.page.0, f.page.1)).await? })
    }

    /// The places that are dedicated to others than this account; refused as a whole when the zone is.
    pub async fn barred_to(&self, account: i64, zone: i64) -> Result<Barred> {
        let all = self.db.find::<Dedication>(Query::all()).await?;
        let mut barred = Barred::default();
        if all.is_empty() {
            return Ok(barred);
        }
        let owner = self.db.must::<Account>(account).await?;
        let domain = self.db.must::<Domain>(owner.domain_id).await?;
        let above: Vec<String> = domain.path.match_indices('/').map(|(i, _)| domain.path[..=i].to_owned()).collect();
        let domains: Vec<i64> = self.db.find::<Domain>(Query::live().within("path", above)).await?.into_iter().map(|d| d.id).collect();
        for d in all.into_iter().filter(|d| !open_to(d, account, &domains)) {
            match d.place_kind.as_str() {
                "zone" if d.place_id == zone => {
                    return Err(Error::NoCapacity("The zone is dedicated to others".into()));
                }
                kind => barred.places.add(kind, d.place_id),
            }
        }
        Ok(barred)
    }
}

async fn dedicate(tx: &mut Tx, call: &Call, place: Place, domain: Domain, account: Option<Account>) -> Result<Dedication> {
    if account.as_ref().is_some_and(|a| a.domain_id != domain.id) {
        return Err(Error::invalid("account", "is not of that domain"));
    }
    // Held, so that two dedications of places within each other are made one after the other.
    crate::domain::hold(tx, crate::setup::ROOT_DOMAIN).await?;
    let account_id = account.as_ref().map(|a| a.id);
    let chain: Vec<i64> = call.ancestry(tx, domain.id).await?.into_iter().map(|d| d.id).collect();
    for (kind, id) in place.around() {
        let Some(d) = tx.find_one::<Dedication>(Query::all().eq("place_kind", kind).eq("place_id", id)).await? else { continue };
        let same_place = kind == place.word();
        if same_place || !open_to(&d, account_id.unwrap_or(0), &chain) {
            let why =
                if same_place { "it is dedicated already".to_owned() } else { format!("the {kind} around it is dedicated to others") };
            return Err(Error::InUse { kind: place.kind(), id: place.uuid().into(), why });
        }
    }
    for d in tx.find::<Dedication>(place.inside()).await? {
        // What is inside may be for fewer of the same people, not for others.
        let inner: Vec<i64> = call.ancestry(tx, d.domain_id).await?.into_iter().map(|d| d.id).collect();
        let fewer = match account_id {
            Some(a) => d.account_id == Some(a),
            None => inner.contains(&domain.id),
        };
        if !fewer {
            let why = format!("a {} in it is dedicated to others", d.place_kind);
            return Err(Error::InUse { kind: place.kind(), id: place.uuid().into(), why });
        }
    }
    refuse_strangers(tx, call, &place, account_id, &domain).await?;
    let mut row = Dedication {
        uuid: Uuid::new_v4().to_string(),
        place_kind: place.word().into(),
        place_id: place.id(),
        domain_id: domain.id,
        account_id,
        affinity_group_id: Some(group_for(tx, call, &domain, account.as_ref()).await?),
        created: call.now(),
        ..Default::default()
    };
    tx.insert(&mut row).await?;
    if let Place::Zone(z) = &place {
        tx.set::<Zone>(z.id, vec![("domain_id", domain.id.into())]).await?;
    }
    let whom = account.map_or(domain.name, |a| a.name);
    call.log(tx, topic(call, &place), format!("{} {} is dedicated to {whom}", place.word(), place.uuid())).await?;
    Ok(row)
}

/// Refuses a place on which VMs of others run.
async fn refuse_strangers(tx: &mut Tx, call: &Call, place: &Place, account: Option<i64>, domain: &Domain) -> Result<()> {
    let there = Query::live().eq("vm_type", "User").key_in::<Host>("host_id", "id", place.hosts());
    let mut strangers = 0;
    for vm in tx.find::<Vm>(there).await? {
        let inside = match account {
            Some(a) => vm.account_id == a,
            None => call.ancestry(tx, vm.domain_id).await?.iter().any(|d| d.id == domain.id),
        };
        strangers += i64::from(!inside);
    }
    match strangers {
        0 => Ok(()),
        n => {
            let why = format!("{n} virtual machines of others run there; move them first");
            Err(Error::InUse { kind: place.kind(), id: place.uuid().into(), why })
        }
    }
}
