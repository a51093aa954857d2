//! Secondary storage: where templates, ISOs and snapshots rest.
use crate::location::Location;
use crate::places::{hold, refuse_name, refuse_used, unreachable};
use crate::{Call, Engine, Listing, Topic};
use std::collections::BTreeMap;
use stratus_drivers::{Secret, StoreDetails};
use stratus_model::{Error, Kind, Result};
use stratus_store::{ImageStore, Query, Template, TemplateStore, Tx, Zone};
use uuid::Uuid;

/// The provider of stores that the server keeps in a folder of its own machine, where real hosts reach them through the server.
pub const FILE: &str = "File";

/// Providers of image stores and how far one of theirs reaches. Which of them work here is what drivers there are.
const PROVIDERS: [(&str, &str); 7] = [
    ("NFS", "ZONE"),
    (FILE, "ZONE"),
    ("SMB", "ZONE"),
    ("CloudStack ImageStore Provider", "ZONE"),
    ("Simulator", "ZONE"),
    ("S3", "REGION"),
    ("Swift", "REGION"),
];

/// What a new image store is to be.
#[derive(Clone, Default)]
pub struct ImageStoreAdd {
    /// Who serves it: `NFS` …
    pub provider: String,
    /// Unique; its URL when left out.
    pub name: Option<String>,
    /// Where it is.
    pub url: Option<String>,
    /// The zone it is for; none for a whole region's.
    pub zone: Option<Zone>,
    /// What else the provider needs.
    pub details: BTreeMap<String, String>,
}

impl std::fmt::Debug for ImageStoreAdd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ImageStoreAdd({} {:?})", self.provider, self.name) // details may hold keys
    }
}

/// Which image stores to list.
#[derive(Debug, Clone, Default)]
pub struct ImageStoreFilter {
    /// The one with this key.
    pub id: Option<i64>,
    /// With this name.
    pub name: Option<String>,
    /// With this in the name or provider.
    pub keyword: Option<String>,
    /// For this zone.
    pub zone: Option<i64>,
    /// With this protocol.
    pub protocol: Option<String>,
    /// Of this provider.
    pub provider: Option<String>,
    /// Offset and limit.
    pub page: (i64, i64),
}

/// The URL of a folder of the server's: `file:///srv/images`.
fn folder(text: &str) -> Result<Location> {
    let mut a = Location::parse(text)?;
    let plain = a.path.split('/').skip(1).all(|part| !matches!(part, "" | "."));
    let here = matches!(a.host.as_str(), "" | "localhost") && a.port.is_none() && a.query.is_none();
    if a.scheme != "file" || !here || a.path.is_empty() || !plain {
        return Err(Error::invalid("url", format!("'{text}' has to name a folder of the server, as file:///srv/images does")));
    }
    a.host = String::new();
    Ok(a)
}

/// A detail that nobody is shown.
fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    ["secret", "password", "key", "token"].iter().any(|s| name.contains(s))
}

impl Engine {
    /// Providers of image stores that this server has drivers for, by their usual names.
    pub fn image_providers(&self) -> Vec<String> {
        PROVIDERS.iter().map(|(p, _)| *p).filter(|p| self.drivers.store(p).is_some()).map(str::to_owned).collect()
    }

    fn new_store(&self, call: &Call, ask: &ImageStoreAdd) -> Result<ImageStore> {
        let given = ask.provider.trim();
        let known = PROVIDERS.iter().find(|(p, _)| p.eq_ignore_ascii_case(given));
        if self.drivers.store(given).is_none() {
            let have = self.image_providers();
            let have = if have.is_empty() { "none".to_owned() } else { have.join(", ") };
            return Err(Error::invalid("provider", format!("there is no driver for '{given}' here; there is for: {have}")));
        }
        // An out-of-tree provider's store is a zone's when a zone is named.
        let scope = known.map_or(if ask.zone.is_some() { "ZONE" } else { "REGION" }, |(_, s)| *s);
        match (scope, &ask.zone) {
            ("ZONE", None) => return Err(Error::invalid("zoneid", format!("a store of {given} belongs to a zone: name it"))),
            ("REGION", Some(_)) => return Err(Error::invalid("zoneid", format!("a store of {given} serves every zone: leave it out"))),
            _ => {}
        }
        let is_folder = known.is_some_and(|(p, _)| *p == FILE);
        let address = ask.url.as_deref().map(if is_folder { folder } else { Location::of_host }).transpose()?;
        if let Some(a) = &address
            && a.scheme == "nfs"
            && a.path.is_empty()
        {
            return Err(Error::invalid("url", format!("'{a}' names no path")));
        }
        if scope == "ZONE" && address.is_none() {
            return Err(Error::invalid("url", format!("a store of {given} needs one")));
        }
        let url = address.as_ref().map(Location::to_string).unwrap_or_default();
        let provider = known.map_or(given, |(p, _)| p).to_owned();
        Ok(ImageStore {
            uuid: Uuid::new_v4().to_string(),
            name: ask
                .name
                .clone()
                .filter(|n| !n.trim().is_empty())
                .unwrap_or_else(|| if url.is_empty() { provider.clone() } else { url.clone() }),
            protocol: address.map_or_else(|| provider.to_lowercase(), |a| a.scheme),
            provider,
            url,
            zone_id: ask.zone.as_ref().map(|z| z.id),
            scope: scope.into(),
            details: self.seal_details(&ask.details)?,
            created: call.now(),
            ..Default::default()
        })
    }

    /// Details as they are kept: JSON, what is secret in it sealed.
    pub(crate) fn seal_details(&self, details: &BTreeMap<String, String>) -> Result<Option<String>> {
        if details.is_empty() {
            return Ok(None);
        }
        let mut kept = BTreeMap::new();
        for (name, value) in details {
            kept.insert(name, if is_secret(name) { self.sealer.seal(value)? } else { value.clone() });
        }
        serde_json::to_string(&kept).map(Some).map_err(Error::internal)
    }

    /// The details of a store as its driver gets them, nothing sealed any more.
    pub fn open_details(&self, store: &ImageStore) -> Result<StoreDetails> {
        let kept: BTreeMap<String, String> = store.details.as_deref().and_then(|d| serde_json::from_str(d).ok()).unwrap_or_default();
        let open = |(name, value): (String, String)| {
            let value = if is_secret(&name) { self.sealer.open(&value)? } else { value };
            Ok((name, Secret::new(value)))
        };
        kept.into_iter().map(open).collect()
    }

    /// Makes contact with every image store after a start; drivers keep no keys. What does not answer is logged: it may come later.
    pub async fn image_stores_connect(&self) -> Result<()> {
        for store in self.db.find::<ImageStore>(Query::live()).await? {
            // One that real hosts reach themselves is connected by each of them when its agent comes.
            let hypervisor = self.zone_hypervisor(store.zone_id.unwrap_or(0)).await?.unwrap_or_default();
            let Some(driver) = self.drivers.store_for(&hypervisor, &store.provider) else { continue };
            if self.drivers.agents(&hypervisor).is_some() && store.provider != FILE {
                continue;
            }
            if let Err(e) = driver.connect(&store.uuid, &store.url, &self.open_details(&store)?).await {
                tracing::warn!(store = store.uuid, error = %e, "an image store was not reached");
            }
        }
        Ok(())
    }

    /// Adds an image store: makes contact, then keeps it.
    pub async fn image_store_add(&self, call: &Call, ask: ImageStoreAdd) -> Result<ImageStore> {
        let mut store = self.new_store(call, &ask)?;
        refuse_other_kind(self.db.find_one(Query::live().ne("provider", &store.provider)).await?, &store)?;
        refuse_twice(self.db.find_one(twice(&store)).await?)?;
        self.store_meant(&store).await?;
        let driver = self.image_driver(&store).await?;
        let size = driver.connect(&store.uuid, &store.url, &self.open_details(&store)?).await.map_err(|e| unreachable("image store", e))?;
        store.total_bytes = i64::try_from(size.total).unwrap_or(i64::MAX);
        store.used_bytes = i64::try_from(size.used).unwrap_or(i64::MAX);
        let inner = call.clone();
        let store = self.db.write(move |tx| Box::pin(async move { insert(tx, &inner, store).await })).await?;
        // The built-in templates wait for a zone's first store.
        self.templates_take_up(call, Some(store.id)).await?;
        Ok(store)
    }

    /// Removes an image store that nothing of users is on.
    pub async fn image_store_delete(&self, call: &Call, store: &ImageStore) -> Result<()> {
        let (call, id) = (call.clone(), store.id);
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let store: ImageStore = hold(tx, Kind::ImageStore, id).await?;
                    let users = Query::all().without("template_type", ["SYSTEM", "BUILTIN"]);
                    let on = Query::live().eq("store_id", id);
                    let theirs = on.clone().key_in::<Template>("template_id", "id", users);
                    refuse_used::<TemplateStore>(tx, theirs, Kind::ImageStore, &store.uuid, "templates are").await?;
                    let now = call.now();
                    tx.update::<TemplateStore>(on, vec![("removed", now.into())]).await?;
                    tx.remove::<ImageStore>(id, now).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::ImageStore, id), format!("image store {} removed", store.name)).await
                })
            })
            .await
    }

    /// Image stores.
    pub async fn image_store_list(&self, f: ImageStoreFilter) -> Result<Listing<ImageStore>> {
        let mut q = Query::live().eq_opt("id", f.id).eq_opt("name", f.name).eq_opt("protocol", f.protocol).eq_opt("zone_id", f.zone);
        if let Some(p) = &f.provider {
            let known = PROVIDERS.iter().find(|(k, _)| k.eq_ignore_ascii_case(p)).map_or(p.as_str(), |(k, _)| k);
            q = q.eq("provider", known);
        }
        if let Some(k) = &f.keyword {
            q = q.holds(&["name", "provider"], k);
        }
        let (offset, limit) = f.page;
        Ok(Listing { count: self.db.count::<ImageStore>(q.clone()).await?, rows: self.db.find(q.order("name").page(offset, limit)).await? })
    }
}

/// The details of a store that may be shown.
pub fn shown_details(store: &ImageStore) -> BTreeMap<String, String> {
    let all: BTreeMap<String, String> = store.details.as_deref().and_then(|d| serde_json::from_str(d).ok()).unwrap_or_default();
    all.into_iter().filter(|(name, _)| !is_secret(name)).collect()
}

fn twice(store: &ImageStore) -> Query {
    match store.zone_id {
        Some(zone) => Query::live().eq("zone_id", zone).eq("url", &store.url),
        // A bucket may have no URL; its name says which it is.
        None if store.url.is_empty() => Query::live().eq("provider", &store.provider).eq("name", &store.name),
        None => Query::live().eq("provider", &store.provider).eq("url", &store.url),
    }
}

fn refuse_twice(found: Option<ImageStore>) -> Result<()> {
    match found {
        Some(s) => Err(Error::invalid("url", format!("image store {} is there already", s.name))),
        None => Ok(()),
    }
}

/// Templates travel between stores of one kind only, so a cloud has one kind.
fn refuse_other_kind(other: Option<ImageStore>, store: &ImageStore) -> Result<()> {
    match other {
        Some(o) => Err(Error::invalid(
            "provider",
            format!("the cloud's image stores are of {}; one of {} cannot stand beside them", o.provider, store.provider),
        )),
        None => Ok(()),
    }
}

async fn insert(tx: &mut Tx, call: &Call, mut store: ImageStore) -> Result<ImageStore> {
    if let Some(zone) = store.zone_id {
        hold::<Zone>(tx, Kind::Zone, zone).await?;
    }
    refuse_other_kind(tx.find_one(Query::live().ne("provider", &store.provider)).await?, &store)?;
    refuse_twice(tx.find_one(twice(&store)).await?)?;
    refuse_name::<ImageStore>(tx, Query::all().eq_opt("zone_id", store.zone_id), Kind::ImageStore, &store.name).await?;
    tx.insert(&mut store).await?;
    for zone in tx.find::<Zone>(Query::live().eq_opt("id", store.zone_id)).await? {
        call.builtin_templates_arrive(tx, zone.id, store.id).await?;
    }
    call.log(tx, Topic::of_caller(call, Kind::ImageStore, store.id), format!("image store {} added", store.name)).await?;
    Ok(store)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_of_files_is_a_folder_of_the_server() {
        for url in ["file:///srv/images", "file://localhost/srv/images", "FILE:///srv/images/"] {
            assert_eq!(folder(url).expect("a folder").to_string(), "file:///srv/images");
        }
        let others = ["file://host/srv", "file:///", "file://", "file:///a/../b", "file:///a//b", "file:///a/./b", "file:///a?x=1"];
        for url in others.iter().chain(&["nfs://filer/export", "/srv/images", "file://localhost:1/a", "file:///a b"]) {
            assert!(matches!(folder(url), Err(Error::Invalid { .. })), "{url}");
        }
    }
}
