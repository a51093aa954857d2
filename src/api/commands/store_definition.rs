//! Stores of objects and staging stores. A bucket of S3 is an image store like those of `image_store.rs`; of the others the definitions
//! are kept, and images rest on the image stores.
use crate::prelude::*;
use crate::views::image_store::ImageStore;
use std::collections::BTreeMap;
use stratus_engine::image_store::{ImageStoreAdd, ImageStoreFilter};
use stratus_engine::store_definition::{Role, as_store};

found!(StoreDefinition => Kind::ImageStore);

async fn define(call: &Call, role: Role, ask: ImageStoreAdd) -> Result<Answer> {
    let made = call.store_define(call, role, ask).await?;
    views::one(views::image_store::of(call, vec![as_store(made)]).await?)
}

async fn list(call: &Call, role: Role, filter: ImageStoreFilter) -> Result<Answer> {
    let found = call.store_definitions(role, filter).await?;
    let rows = found.rows.into_iter().map(as_store).collect();
    Ok(Answer::list(found.count, views::image_store::of(call, rows).await?))
}

/// The details that were given, under their names.
fn details<const N: usize>(given: [(&str, Option<String>); N]) -> BTreeMap<String, String> {
    given.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?))).collect()
}

/// Adds a bucket of an S3 service as the secondary store of every zone.
#[derive(Command)]
#[command(name = "addS3", roles = "admin", answer = "secondarystorage", view = ImageStore, since = "4.1", event = "IMAGE.STORE.CREATE")]
pub struct AddS3 {
    /// the access key
    accesskey: String,
    /// the bucket
    bucket: String,
    /// the secret key
    secretkey: String,
    /// milliseconds after which a connection is given up; kept, the driver has its own patience
    connectiontimeout: Option<i64>,
    /// the name of the server; Amazon's when it is not given
    endpoint: Option<String>,
    /// how often a call is tried again; kept, without effect
    maxerrorretry: Option<i64>,
    /// milliseconds after which an answer is given up; kept, the driver has its own patience
    sockettimeout: Option<i64>,
    /// whether it is reached over TLS
    usehttps: Option<bool>,
}
impl Run for AddS3 {
    async fn run(self, call: &Call) -> Result<Answer> {
        let number = |n: Option<i64>| n.map(|n| n.to_string());
        let name = match &self.endpoint {
            Some(e) => format!("S3://{e}/{}", self.bucket),
            None => format!("S3://{}", self.bucket),
        };
        let details = details([
            ("accesskey", Some(self.accesskey)),
            ("secretkey", Some(self.secretkey)),
            ("bucket", Some(self.bucket)),
            ("endpoint", self.endpoint),
            ("usehttps", self.usehttps.map(|b| b.to_string())),
            ("connectiontimeout", number(self.connectiontimeout)),
            ("sockettimeout", number(self.sockettimeout)),
            ("maxerrorretry", number(self.maxerrorretry)),
        ]);
        super::image_store::add(call, ImageStoreAdd { provider: "S3".into(), name: Some(name), url: None, zone: None, details }).await
    }
}

/// Lists stores of S3 objects.
#[derive(Command)]
#[command(name = "listS3s", roles = "admin", answer = "imagestore", view = ImageStore, since = "4.1")]
pub struct ListS3s {
    #[param(flatten)]
    page: Paging,
}
impl Run for ListS3s {
    async fn run(self, call: &Call) -> Result<Answer> {
        let filter = ImageStoreFilter {
            provider: Some("S3".into()),
            page: self.page.range(call)?,
            keyword: self.page.keyword,
            ..Default::default()
        };
        let found = call.image_store_list(filter).await?;
        Ok(Answer::list(found.count, views::image_store::of(call, found.rows).await?))
    }
}

/// Defines a store of Swift objects. The definition is kept: no driver serves it, and images rest where they rested.
#[derive(Command)]
#[command(name = "addSwift", roles = "admin", answer = "secondarystorage", view = ImageStore, since = "3.0", event = "IMAGE.STORE.CREATE")]
pub struct AddSwift {
    /// where the store is
    url: String,
    /// the account
    account: Option<String>,
    /// the account's key
    key: Option<String>,
    /// the user's name
    username: Option<String>,
}
impl Run for AddSwift {
    async fn run(self, call: &Call) -> Result<Answer> {
        let details = details([("account", self.account), ("key", self.key), ("username", self.username)]);
        define(call, Role::Object, ImageStoreAdd { provider: "Swift".into(), name: None, url: Some(self.url), zone: None, details }).await
    }
}

/// Lists stores of Swift objects.
#[derive(Command)]
#[command(name = "listSwifts", roles = "admin", answer = "imagestore", view = ImageStore, since = "3.0")]
pub struct ListSwifts {
    /// only the store with this number
    #[param(kind = "long")]
    id: Option<i64>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListSwifts {
    async fn run(self, call: &Call) -> Result<Answer> {
        let filter = ImageStoreFilter {
            id: self.id,
            provider: Some("Swift".into()),
            page: self.page.range(call)?,
            keyword: self.page.keyword,
            ..Default::default()
        };
        list(call, Role::Object, filter).await
    }
}

/// Defines the object store that images are to rest on. Until a driver serves it, they go on resting where they are.
#[derive(Command)]
#[command(name = "updateCloudToUseObjectStore", roles = "admin", answer = "imagestore", view = ImageStore, since = "4.3", event = "IMAGE.STORE.CREATE")]
pub struct UpdateCloudToUseObjectStore {
    /// the provider of the store: S3 or Swift
    provider: String,
    /// what else the provider needs, details[0].key=…&details[0].value=…
    details: Option<MapList>,
    /// the name of the store; its URL when left out
    name: Option<String>,
    /// where the store is
    url: Option<String>,
}
impl Run for UpdateCloudToUseObjectStore {
    async fn run(self, call: &Call) -> Result<Answer> {
        let known = ["S3", "Swift"].into_iter().find(|p| p.eq_ignore_ascii_case(self.provider.trim()));
        let provider = known.ok_or_else(|| Error::invalid("provider", format!("'{}' is neither S3 nor Swift", self.provider)))?;
        let details = super::pool::details(self.details);
        define(call, Role::Object, ImageStoreAdd { provider: provider.into(), name: self.name, url: self.url, zone: None, details }).await
    }
}

/// Defines a store in a zone that images of an object store pass through.
#[derive(Command)]
#[command(name = "createSecondaryStagingStore", roles = "admin", answer = "secondarystorage", view = ImageStore, since = "4.2", event = "IMAGE.STORE.CREATE")]
pub struct CreateSecondaryStagingStore {
    /// where the store is
    url: String,
    /// what else the provider needs, details[0].key=…&details[0].value=…
    details: Option<MapList>,
    /// the provider of the store; NFS when it is not given
    provider: Option<String>,
    /// whom it serves: ZONE, the only one there is
    scope: Option<String>,
    /// the ID of the zone that it is for
    zoneid: Option<Ref<store::Zone>>,
}
impl Run for CreateSecondaryStagingStore {
    async fn run(self, call: &Call) -> Result<Answer> {
        if self.scope.as_deref().is_some_and(|s| !s.eq_ignore_ascii_case("zone")) {
            return Err(Error::invalid("scope", "takes ZONE only"));
        }
        let Some(Ref(zone)) = self.zoneid else {
            return Err(Error::Missing { command: "createsecondarystagingstore".into(), field: "zoneid".into() });
        };
        let details = super::pool::details(self.details);
        let provider = self.provider.unwrap_or_else(|| "NFS".into());
        define(call, Role::Cache, ImageStoreAdd { provider, name: None, url: Some(self.url), zone: Some(zone), details }).await
    }
}

/// Lists stores that images of an object store pass through.
#[derive(Command)]
#[command(name = "listSecondaryStagingStores", roles = "admin", answer = "imagestore", view = ImageStore, wrapper = "listsecondarystagingstoreresponse", since = "4.2")]
pub struct ListSecondaryStagingStores {
    /// only the store with this ID
    id: Option<Ref<store::StoreDefinition>>,
    /// only stores with this name
    name: Option<String>,
    /// only stores with this protocol
    protocol: Option<String>,
    /// only stores of this provider
    provider: Option<String>,
    /// only stores for this zone
    zoneid: Option<Ref<store::Zone>>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListSecondaryStagingStores {
    async fn run(self, call: &Call) -> Result<Answer> {
        let filter = ImageStoreFilter {
            id: self.id.map(|s| s.0.id),
            name: self.name,
            page: self.page.range(call)?,
            keyword: self.page.keyword,
            zone: self.zoneid.map(|z| z.0.id),
            protocol: self.protocol,
            provider: self.provider,
        };
        list(call, Role::Cache, filter).await
    }
}

/// Forgets a store that images of an object store pass through.
#[derive(Command)]
#[command(name = "deleteSecondaryStagingStore", roles = "admin", since = "4.2", event = "IMAGE.STORE.DELETE")]
pub struct DeleteSecondaryStagingStore {
    /// the ID of the store
    id: Ref<store::StoreDefinition>,
}
impl Run for DeleteSecondaryStagingStore {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.store_undefine(call, self.id.0).await?;
        Ok(Answer::success())
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<AddS3>();
    r.add::<ListS3s>();
    r.add::<AddSwift>();
    r.add::<ListSwifts>();
    r.add::<UpdateCloudToUseObjectStore>();
    r.add::<CreateSecondaryStagingStore>();
    r.add::<ListSecondaryStagingStores>();
    r.add::<DeleteSecondaryStagingStore>();
}
