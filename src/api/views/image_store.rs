use crate::prelude::*;
use stratus_engine::image_store::shown_details;

/// A secondary store.
#[derive(View)]
pub struct ImageStore {
    /// the ID of the store
    pub id: String,
    /// the ID of the zone
    pub zoneid: Option<String>,
    /// the name of the zone
    pub zonename: Option<String>,
    /// the name of the store
    pub name: String,
    /// the URL of the store
    pub url: Option<String>,
    /// the protocol of the store
    pub protocol: String,
    /// the name of the provider
    pub providername: String,
    /// whom the store serves: ZONE or REGION
    pub scope: String,
    /// the details of the store, without secrets
    pub details: Vec<ImageStoreDetail>,
}

/// A detail of a store.
#[derive(View)]
pub struct ImageStoreDetail {
    /// the name of the detail
    pub name: String,
    /// the value of the detail
    pub value: String,
}

pub(crate) async fn of(call: &Call, rows: Vec<store::ImageStore>) -> Result<Vec<ImageStore>> {
    let zones = call.db.by_ids::<store::Zone>(rows.iter().filter_map(|s| s.zone_id)).await?;
    let one = |s: store::ImageStore| {
        let zone = s.zone_id.and_then(|id| zones.get(&id));
        ImageStore {
            zoneid: zone.map(|z| z.uuid.clone()),
            zonename: zone.map(|z| z.name.clone()),
            details: shown_details(&s).into_iter().map(|(name, value)| ImageStoreDetail { name, value }).collect(),
            id: s.uuid,
            name: s.name,
            url: Some(s.url).filter(|u| !u.is_empty()),
            protocol: s.protocol,
            providername: s.provider,
            scope: s.scope,
        }
    };
    Ok(rows.into_iter().map(one).collect())
}
