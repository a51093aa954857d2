//! Primary storage.
use crate::prelude::*;
use std::collections::BTreeMap;
use stratus_engine::pool::{PROVIDER, PoolCreate, PoolFilter, PoolUpdate};

/// Details given as `[0].key=…&[0].value=…` or as `[0].name=value`, by name.
pub(super) fn details(given: Option<MapList>) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for mut entry in given.into_iter().flat_map(|m| m.0) {
        match (entry.remove("key"), entry.remove("value")) {
            (Some(key), value) => all.extend([(key, value.unwrap_or_default())]),
            (None, value) => all.extend(value.map(|v| ("value".to_owned(), v))),
        }
        all.extend(entry);
    }
    all
}

/// Adds a primary storage pool.
#[derive(Command)]
#[command(name = "createStoragePool", roles = "admin", answer = "storagepool", view = views::pool::StoragePool, event = "POOL.CREATE")]
pub struct CreateStoragePool {
    /// the ID of the zone
    zoneid: Ref<store::Zone>,
    /// the name of the pool
    name: String,
    /// where the pool is, nfs://server/path
    url: String,
    /// how much of it to use, in bytes; all that is there when left out
    #[param(kind = "long", since = "4.2")]
    capacitybytes: Option<i64>,
    /// IOPS that the pool can give
    #[param(kind = "long", since = "4.2")]
    capacityiops: Option<i64>,
    /// the ID of the cluster whose hosts see the pool
    clusterid: Option<Ref<store::Cluster>>,
    /// what a vendor's storage needs to know, of which there is none
    #[param(kind = "map")]
    details: Refused,
    /// the hypervisor type whose hosts see a zone's pool
    #[param(since = "4.2")]
    hypervisor: Option<String>,
    /// true for a vendor's storage that makes a volume of its own for each disk, of which there is none
    #[param(since = "4.2")]
    managed: Option<bool>,
    /// the ID of the pod
    podid: Option<Ref<store::Pod>>,
    /// the storage provider
    #[param(since = "4.2")]
    provider: Option<String>,
    /// whose hosts see the pool: CLUSTER or ZONE
    #[param(since = "4.2")]
    scope: Option<String>,
    /// tags that offerings can ask for
    tags: Option<String>,
}
impl Run for CreateStoragePool {
    async fn run(self, call: &Call) -> Result<Answer> {
        let Refused = self.details;
        if self.managed == Some(true) {
            return Err(Error::Unsupported("The parameter managed is not supported".into()));
        }
        let ask = PoolCreate {
            zone: self.zoneid.0,
            pod: self.podid.map(|p| p.0),
            cluster: self.clusterid.map(|c| c.0),
            name: self.name,
            url: self.url,
            scope: self.scope,
            hypervisor: self.hypervisor,
            provider: self.provider,
            tags: self.tags.into_iter().collect(),
            capacity_bytes: self.capacitybytes,
            iops: self.capacityiops,
        };
        answer(call, call.pool_create(call, ask).await?).await
    }
}

/// Lists primary storage pools.
#[derive(Command)]
#[command(name = "listStoragePools", roles = "admin,resourceadmin", answer = "storagepool", view = views::pool::StoragePool)]
pub struct ListStoragePools {
    /// only pools that this cluster's hosts see
    clusterid: Option<Ref<store::Cluster>>,
    /// only the pool with this ID
    id: Option<Ref<store::StoragePool>>,
    /// only pools on this server
    ipaddress: Option<String>,
    /// only pools with this name
    name: Option<String>,
    /// only pools with this path
    path: Option<String>,
    /// only pools that this pod's hosts see
    podid: Option<Ref<store::Pod>>,
    /// only pools of this scope: CLUSTER, ZONE or HOST
    #[param(since = "4.2")]
    scope: Option<String>,
    /// only pools of this zone
    zoneid: Option<Ref<store::Zone>>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListStoragePools {
    async fn run(self, call: &Call) -> Result<Answer> {
        let filter = PoolFilter {
            id: self.id.map(|p| p.0.id),
            name: self.name,
            page: self.page.range(call)?,
            keyword: self.page.keyword,
            zone: self.zoneid.map(|z| z.0.id),
            pod: self.podid.map(|p| p.0.id),
            cluster: self.clusterid.map(|c| c.0.id),
            ip_address: self.ipaddress,
            path: self.path,
            scope: self.scope,
        };
        let found = call.pool_list(filter).await?;
        Ok(Answer::list(found.count, views::pool::of(call, found.rows).await?))
    }
}

/// Changes a primary storage pool.
#[derive(Command)]
#[command(name = "updateStoragePool", roles = "admin", answer = "storagepool", view = views::pool::StoragePool, event = "POOL.EDIT", since = "3.0")]
pub struct UpdateStoragePool {
    /// the ID of the pool
    id: Ref<store::StoragePool>,
    /// how much of it to use, in bytes
    #[param(kind = "long", since = "4.2")]
    capacitybytes: Option<i64>,
    /// IOPS that the pool can give
    #[param(kind = "long", since = "4.2")]
    capacityiops: Option<i64>,
    /// tags that offerings can ask for, in place of those there are
    tags: Option<Vec<String>>,
}
impl Run for UpdateStoragePool {
    async fn run(self, call: &Call) -> Result<Answer> {
        let ask = PoolUpdate { tags: self.tags, capacity_bytes: self.capacitybytes, iops: self.capacityiops };
        answer(call, call.pool_update(call, &self.id.0, ask).await?).await
    }
}

/// Removes a primary storage pool that no volume is on.
#[derive(Command)]
#[command(name = "deleteStoragePool", roles = "admin", event = "POOL.DELETE")]
pub struct DeleteStoragePool {
    /// the ID of the pool
    id: Ref<store::StoragePool>,
    /// changes nothing: volumes have to be gone first, forced or not
    #[param(kind = "boolean", since = "4.0")]
    forced: Ignored,
}
impl Run for DeleteStoragePool {
    async fn run(self, call: &Call) -> Result<Answer> {
        let Ignored = self.forced;
        call.pool_delete(call, &self.id.0).await?;
        Ok(Answer::success())
    }
}

/// Lists the pools that a volume could move to, and whether it fits there.
#[derive(Command)]
#[command(name = "findStoragePoolsForMigration", roles = "admin", answer = "storagepool", view = views::pool::StoragePool, since = "4.2")]
pub struct FindStoragePoolsForMigration {
    /// the ID of the volume
    id: Owned<store::Volume>,
    #[param(flatten)]
    page: Paging,
}
impl Run for FindStoragePoolsForMigration {
    async fn run(self, call: &Call) -> Result<Answer> {
        let range = self.page.range(call)?;
        let found = call.pools_for(&self.id.0, self.page.keyword.as_deref(), range).await?;
        let (pools, fits): (Vec<_>, Vec<bool>) = found.rows.into_iter().unzip();
        let mut shown = views::pool::of(call, pools).await?;
        shown.iter_mut().zip(fits).for_each(|(pool, fits)| pool.suitableformigration = Some(fits));
        Ok(Answer::list(found.count, shown))
    }
}

/// Stops the VMs that use a pool and lets nothing new come to it.
#[derive(Command)]
#[command(
    name = "enableStorageMaintenance",
    roles = "admin",
    answer = "storagepool",
    view = views::pool::StoragePool,
    event = "MAINT.PREPARE.PS",
    job = "preparing storage pool for maintenance",
    on = "id",
    wrapper = "prepareprimarystorageformaintenanceresponse"
)]
pub struct EnableStorageMaintenance {
    /// the ID of the pool
    id: Ref<store::StoragePool>,
}
impl Run for EnableStorageMaintenance {
    async fn run(self, call: &Call) -> Result<Answer> {
        answer(call, call.pool_maintain(call, self.id.0.id).await?).await
    }
}

/// Opens a pool again and starts the VMs that were stopped for its maintenance.
#[derive(Command)]
#[command(
    name = "cancelStorageMaintenance",
    roles = "admin",
    answer = "storagepool",
    view = views::pool::StoragePool,
    event = "MAINT.CANCEL.PS",
    job = "canceling maintenance for storage pool",
    on = "id",
    wrapper = "cancelprimarystoragemaintenanceresponse"
)]
pub struct CancelStorageMaintenance {
    /// the ID of the pool
    id: Ref<store::StoragePool>,
}
impl Run for CancelStorageMaintenance {
    async fn run(self, call: &Call) -> Result<Answer> {
        answer(call, call.pool_resume(call, self.id.0.id).await?).await
    }
}

/// Lists storage providers.
#[derive(Command)]
#[command(name = "listStorageProviders", roles = "admin,resourceadmin", answer = "dataStoreProvider", view = views::pool::StorageProvider, since = "4.2")]
pub struct ListStorageProviders {
    /// what they provide: primary or image
    #[param(name = "type")]
    kind: String,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListStorageProviders {
    async fn run(self, call: &Call) -> Result<Answer> {
        let (kind, mut names) = match self.kind.to_lowercase().as_str() {
            "primary" => ("PRIMARY", vec![PROVIDER.to_owned()]),
            "image" => ("IMAGE", call.image_providers()),
            "imagecache" => ("ImageCache", Vec::new()),
            other => return Err(Error::invalid("type", format!("is primary, image or imagecache, not '{other}'"))),
        };
        let (offset, limit) = self.page.range(call)?;
        if let Some(k) = &self.page.keyword {
            names.retain(|n| n.to_lowercase().contains(&k.to_lowercase()));
        }
        let count = names.len() as i64;
        let (offset, limit) = (usize::try_from(offset).unwrap_or(usize::MAX), usize::try_from(limit).unwrap_or(usize::MAX));
        let page = names.into_iter().skip(offset).take(limit);
        Ok(Answer::list(count, page.map(|name| views::pool::StorageProvider { name, kind: kind.into() }).collect()))
    }
}

async fn answer(call: &Call, pool: store::StoragePool) -> Result<Answer> {
    views::one(views::pool::of(call, vec![pool]).await?)
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<CreateStoragePool>();
    r.add::<ListStoragePools>();
    r.add::<UpdateStoragePool>();
    r.add::<DeleteStoragePool>();
    r.add::<FindStoragePoolsForMigration>();
    r.add::<EnableStorageMaintenance>();
    r.add::<CancelStorageMaintenance>();
    r.add::<ListStorageProviders>();
}
