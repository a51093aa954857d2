//! Addresses under which templates, ISOs and volumes can be fetched.
use crate::prelude::*;
use crate::views::extract::{Extract, of};

/// A template, or an ISO: the id of one is not the other's.
fn kind_of(template: store::Template, iso: bool) -> Result<store::Template> {
    match template.is_iso == iso {
        true => Ok(template),
        false => Err(Error::not_found(if iso { Kind::Iso } else { Kind::Template }, template.uuid)),
    }
}

/// Gives a template an address under which it can be fetched for a while.
#[derive(Command)]
#[command(name = "extractTemplate", roles = "all", answer = "template", view = Extract, event = "TEMPLATE.EXTRACT", job = "extracting a template", on = "id")]
pub struct ExtractTemplate {
    /// the ID of the template
    id: Owned<store::Template>,
    /// HTTP_DOWNLOAD; FTP_UPLOAD is not supported
    mode: String,
    /// where FTP_UPLOAD would send it
    #[param(length = 2048)]
    url: Option<String>,
    /// the ID of the zone to fetch it from; any that has it when left out
    zoneid: Option<Ref<store::Zone>>,
}
impl Run for ExtractTemplate {
    async fn run(self, call: &Call) -> Result<Answer> {
        let template = kind_of(self.id.0, false)?;
        let zone = self.zoneid.map(|z| z.0);
        let made = call.template_extract(call, &template, zone.as_ref(), &self.mode, self.url.as_deref()).await?;
        Ok(Answer::one(of(call, made, template.uuid, template.name).await?))
    }
}

/// Gives an ISO an address under which it can be fetched for a while.
#[derive(Command)]
#[command(name = "extractIso", roles = "all", answer = "iso", view = Extract, event = "ISO.EXTRACT", job = "extracting an ISO", on = "id")]
pub struct ExtractIso {
    /// the ID of the ISO
    id: Owned<store::Template>,
    /// HTTP_DOWNLOAD; FTP_UPLOAD is not supported
    mode: String,
    /// where FTP_UPLOAD would send it
    #[param(length = 2048)]
    url: Option<String>,
    /// the ID of the zone to fetch it from; any that has it when left out
    zoneid: Option<Ref<store::Zone>>,
}
impl Run for ExtractIso {
    async fn run(self, call: &Call) -> Result<Answer> {
        let template = kind_of(self.id.0, true)?;
        let zone = self.zoneid.map(|z| z.0);
        let made = call.template_extract(call, &template, zone.as_ref(), &self.mode, self.url.as_deref()).await?;
        Ok(Answer::one(of(call, made, template.uuid, template.name).await?))
    }
}

/// Copies a volume that no running VM uses and gives the copy an address under which it can be fetched for a while.
#[derive(Command)]
#[command(name = "extractVolume", roles = "all", answer = "volume", view = Extract, event = "VOLUME.EXTRACT", job = "extracting a volume", on = "id")]
pub struct ExtractVolume {
    /// the ID of the volume
    id: Owned<store::Volume>,
    /// HTTP_DOWNLOAD; FTP_UPLOAD is not supported
    mode: String,
    /// the ID of the volume's zone
    zoneid: Ref<store::Zone>,
    /// where FTP_UPLOAD would send it
    #[param(length = 2048)]
    url: Option<String>,
}
impl Run for ExtractVolume {
    async fn run(self, call: &Call) -> Result<Answer> {
        let volume = self.id.0;
        let made = call.volume_extract(call, &volume, &self.zoneid.0, &self.mode, self.url.as_deref()).await?;
        Ok(Answer::one(of(call, made, volume.uuid, volume.name).await?))
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<ExtractTemplate>();
    r.add::<ExtractIso>();
    r.add::<ExtractVolume>();
}
