//! Downloads in answers.
use crate::prelude::*;

/// An address under which something can be fetched.
#[derive(View, Debug, Clone)]
pub struct Extract {
    /// the ID of what is fetched
    pub id: String,
    /// its name
    pub name: String,
    /// the ID of the download
    #[view(name = "extractId")]
    pub extract: String,
    /// HTTP_DOWNLOAD
    #[view(name = "extractMode")]
    pub mode: String,
    /// how it stands
    pub state: String,
    /// how far an upload has come, which a download has not
    pub status: Option<String>,
    /// what an upload ended with
    pub resultstring: Option<String>,
    /// percent of an upload
    #[view(kind = "integer")]
    pub uploadpercentage: Option<i64>,
    /// the address, good until it expires
    pub url: String,
    /// the ID of the account that owns what is fetched
    pub accountid: Option<String>,
    /// the ID of the zone
    pub zoneid: Option<String>,
    /// the name of the zone
    pub zonename: Option<String>,
    /// the image store that serves it
    pub storage: Option<String>,
    /// secondary
    pub storagetype: Option<String>,
    /// when the address was made
    pub created: Date,
}

/// The answer of an extraction.
pub(crate) async fn of(call: &Call, d: store::Download, id: String, name: String) -> Result<Extract> {
    let account = call.db.get::<store::Account>(d.account_id).await?;
    let zone = call.db.get::<store::Zone>(d.zone_id).await?;
    let image_store = call.db.get::<store::ImageStore>(d.store_id).await?.filter(|_| call.caller.is_root());
    Ok(Extract {
        id,
        name,
        url: call.download_url(&d),
        extract: d.uuid,
        mode: "HTTP_DOWNLOAD".into(),
        state: d.state,
        status: None,
        resultstring: None,
        uploadpercentage: None,
        accountid: account.map(|a| a.uuid),
        zoneid: zone.as_ref().map(|z| z.uuid.clone()),
        zonename: zone.map(|z| z.name),
        storage: image_store.map(|s| s.name),
        storagetype: Some("secondary".into()),
        created: Date(d.created),
    })
}
