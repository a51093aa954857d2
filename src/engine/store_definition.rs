//! Stores that are defined here and that no driver serves: object stores (Swift) and the staging stores that stand before them.
//! Their definitions are kept and listed; images rest on the file-based stores (`image_store.rs`).
use crate::image_store::{ImageStoreAdd, ImageStoreFilter};
use crate::location::Location;
use crate::places::hold;
use crate::{Call, Engine, Listing, Topic};
use stratus_model::{Error, Kind, Result};
use stratus_store::{ImageStore, Query, StoreDefinition, Zone};
use uuid::Uuid;

/// What a defined store is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Images pass through it on their way to hosts.
    Cache,
    /// Images would rest on it.
    Object,
}

impl Role {
    const fn word(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Object => "object",
        }
    }
}

/// A definition in the shape of the stores that work, for answers.
pub fn as_store(d: StoreDefinition) -> ImageStore {
    ImageStore {
        uuid: d.uuid,
        name: d.name,
        provider: d.provider,
        protocol: d.protocol,
        url: d.url,
        zone_id: d.zone_id,
        scope: d.scope,
        details: d.details,
        created: d.created,
        ..Default::default()
    }
}

impl Engine {
    /// Keeps the definition of a store.
    pub async fn store_define(&self, call: &Call, role: Role, ask: ImageStoreAdd) -> Result<StoreDefinition> {
        let address = ask.url.as_deref().filter(|u| !u.trim().is_empty()).map(Location::of_host).transpose()?;
        let url = address.as_ref().map(Location::to_string).unwrap_or_default();
        let name = ask.name.clone().filter(|n| !n.trim().is_empty());
        let row = StoreDefinition {
            uuid: Uuid::new_v4().to_string(),
            role: role.word().into(),
            name: name.unwrap_or_else(|| if url.is_empty() { ask.provider.clone() } else { url.clone() }),
            protocol: address.map_or_else(|| ask.provider.to_lowercase(), |a| a.scheme),
            provider: ask.provider.clone(),
            url,
            zone_id: ask.zone.as_ref().map(|z| z.id),
            scope: if ask.zone.is_some() { "ZONE" } else { "REGION" }.into(),
            details: self.seal_details(&ask.details)?,
            created: call.now(),
            ..Default::default()
        };
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let mut row = row.clone();
                    if let Some(zone) = row.zone_id {
                        hold::<Zone>(tx, Kind::Zone, zone).await?;
                    }
                    let mut same = Query::live().eq("role", row.role.as_str()).eq("name", row.name.as_str());
                    same = if row.zone_id.is_some() { same.eq("zone_id", row.zone_id) } else { same.null("zone_id") };
                    if tx.count::<StoreDefinition>(same).await? > 0 {
                        return Err(Error::Duplicate { kind: Kind::ImageStore, name: row.name });
                    }
                    tx.insert(&mut row).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::ImageStore, 0), format!("defined store {}", row.name)).await?;
                    Ok(row)
                })
            })
            .await
    }

    /// Forgets the definition of a store.
    pub async fn store_undefine(&self, call: &Call, d: StoreDefinition) -> Result<()> {
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.remove::<StoreDefinition>(d.id, call.now()).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::ImageStore, 0), format!("forgot store {}", d.name)).await
                })
            })
            .await
    }

    /// Defined stores.
    pub async fn store_definitions(&self, role: Role, f: ImageStoreFilter) -> Result<Listing<StoreDefinition>> {
        let mut q = Query::live().eq("role", role.word()).eq_opt("id", f.id).eq_opt("name", f.name);
        q = q.eq_opt("provider", f.provider).eq_opt("protocol", f.protocol).eq_opt("zone_id", f.zone);
        if let Some(text) = &f.keyword {
            q = q.holds(&["name", "provider"], text);
        }
        let (offset, limit) = f.page;
        let rows = self.db.find(q.clone().order("name").page(offset, limit)).await?;
        Ok(Listing { count: self.db.count::<StoreDefinition>(q).await?, rows })
    }
}
