//! Secondary storage.
use crate::prelude::*;
use stratus_engine::image_store::{ImageStoreAdd, ImageStoreFilter};

/// Adds a secondary store.
#[derive(Command)]
#[command(name = "addImageStore", roles = "admin", answer = "imagestore", view = views::image_store::ImageStore, event = "IMAGE.STORE.CREATE", since = "4.2")]
pub struct AddImageStore {
    /// the provider of the store
    provider: String,
    /// what else the provider needs, details[0].key=…&details[0].value=…
    details: Option<MapList>,
    /// the name of the store; its URL when left out
    name: Option<String>,
    /// where the store is
    url: Option<String>,
    /// the ID of the zone that the store is for
    zoneid: Option<Ref<store::Zone>>,
}
impl Run for AddImageStore {
    async fn run(self, call: &Call) -> Result<Answer> {
        let ask = ImageStoreAdd {
            provider: self.provider,
            name: self.name,
            url: self.url,
            zone: self.zoneid.map(|z| z.0),
            details: super::pool::details(self.details),
        };
        add(call, ask).await
    }
}

/// Adds a secondary store of NFS to a zone.
#[derive(Command)]
#[command(name = "addSecondaryStorage", roles = "admin", answer = "secondarystorage", view = views::image_store::ImageStore, event = "IMAGE.STORE.CREATE")]
pub struct AddSecondaryStorage {
    /// where the store is, nfs://server/path
    url: String,
    /// the ID of the zone that the store is for
    zoneid: Option<Ref<store::Zone>>,
}
impl Run for AddSecondaryStorage {
    async fn run(self, call: &Call) -> Result<Answer> {
        let ask = ImageStoreAdd { provider: "NFS".into(), url: Some(self.url), zone: self.zoneid.map(|z| z.0), ..Default::default() };
        add(call, ask).await
    }
}

/// Lists secondary stores.
#[derive(Command)]
#[command(name = "listImageStores", roles = "admin", answer = "imagestore", view = views::image_store::ImageStore, since = "4.2")]
pub struct ListImageStores {
    /// only the store with this ID
    id: Option<Ref<store::ImageStore>>,
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
impl Run for ListImageStores {
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
        let found = call.image_store_list(filter).await?;
        Ok(Answer::list(found.count, views::image_store::of(call, found.rows).await?))
    }
}

/// Removes a secondary store that nothing of users is on.
#[derive(Command)]
#[command(name = "deleteImageStore", roles = "admin", event = "IMAGE.STORE.DELETE", since = "4.2")]
pub struct DeleteImageStore {
    /// the ID of the store
    id: Ref<store::ImageStore>,
}
impl Run for DeleteImageStore {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.image_store_delete(call, &self.id.0).await?;
        Ok(Answer::success())
    }
}

pub(super) async fn add(call: &Call, ask: ImageStoreAdd) -> Result<Answer> {
    let made = call.image_store_add(call, ask).await?;
    views::one(views::image_store::of(call, vec![made]).await?)
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<AddImageStore>();
    r.add::<AddSecondaryStorage>();
    r.add::<ListImageStores>();
    r.add::<DeleteImageStore>();
}
