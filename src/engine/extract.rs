//! Downloads: an address under which a template, ISO or volume can be fetched for a while (TPL-07, VOL-05). Whoever has the address may
//! fetch; it holds 256 random bits and ends after `extract.url.expiration.interval`. A volume is copied to an image store first, and that
//! copy goes with the address.
use crate::saga::Saga;
use crate::template_fetch::DOWNLOADED;
use crate::vm_start::from_driver;
use crate::{Call, Engine, saga};
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use stratus_drivers::ObjectReader;
use stratus_model::{Error, Kind, Result, VolumeEvent, VolumeState};
use stratus_store::{Download, ImageStore, Query, Template, TemplateStore, Volume, VolumeStore, Zone};
use uuid::Uuid;

/// The path before the name.
pub const PATH: &str = "/userdata/";
/// The address can be used.
const CREATED: &str = "DOWNLOAD_URL_CREATED";

static EXTRACT: Saga<Extract> = saga!("volume-extract":
    choose,
    lock_volume undo unlock_volume,
    copy_out undo drop_copy,
    settle,
);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Extract {
    volume: i64,
    /// The copy's name on the store; the volume's own for one that was uploaded and is there still.
    object: String,
    own: bool,
    store: i64,
    format: String,
    uuid: String,
}

/// Refuses what is no download by HTTP.
fn check_mode(mode: &str, url: Option<&str>) -> Result<()> {
    match mode.trim().to_ascii_uppercase().as_str() {
        "HTTP_DOWNLOAD" if url.is_some() => Err(Error::invalid("url", "is where FTP_UPLOAD would send it; HTTP_DOWNLOAD answers with one")),
        "HTTP_DOWNLOAD" => Ok(()),
        "FTP_UPLOAD" => Err(Error::Unsupported("The mode FTP_UPLOAD is not supported; HTTP_DOWNLOAD is".into())),
        _ => Err(Error::invalid("mode", format!("'{mode}' is none of HTTP_DOWNLOAD, FTP_UPLOAD"))),
    }
}

/// A name under which a browser may save it.
fn file_name(name: &str, format: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).take(100).collect();
    format!("{plain}.{}", format.to_ascii_lowercase())
}

fn new_token() -> String {
    let bytes: [u8; 32] = rand::rng().random();
    bytes.iter().fold(String::new(), |mut text, b| {
        let _ = write!(text, "{b:02x}"); // into a string: cannot fail
        text
    })
}

impl Engine {
    /// Refuses extraction where it is switched off or the template's owner does not let it out.
    fn may_extract(&self, call: &Call, template: Option<&Template>) -> Result<()> {
        if call.caller.is_root() {
            return Ok(());
        }
        if self.settings.text("disable.extraction").as_deref() == Some("true") {
            return Err(Error::Denied("Extraction has been disabled by the administrator (disable.extraction)".into()));
        }
        match template {
            Some(t) if !t.is_extractable => Err(Error::Denied(format!("{} is not extractable", t.name))),
            _ => Ok(()),
        }
    }

    /// Gives a template or ISO an address.
    pub async fn template_extract(
        &self,
        call: &Call,
        template: &Template,
        zone: Option<&Zone>,
        mode: &str,
        url: Option<&str>,
    ) -> Result<Download> {
        check_mode(mode, url)?;
        self.may_extract(call, Some(template))?;
        if template.template_type == "SYSTEM" {
            return Err(Error::Denied(format!("{} is the cloud's own and is not let out", template.name)));
        }
        let kind = if template.is_iso { Kind::Iso } else { Kind::Template };
        let q = Query::live().eq("template_id", template.id).eq_opt("zone_id", zone.map(|z| z.id));
        let places = self.db.find::<TemplateStore>(q).await?;
        let ready = places.iter().find(|p| p.state == DOWNLOADED);
        let at = ready.cloned().ok_or_else(|| Error::State {
            kind,
            id: template.uuid.clone(),
            state: places.first().map_or_else(|| "not in this zone".into(), |p| p.state.clone()),
            why: "only what is there can be extracted".into(),
        })?;
        let row = Download {
            account_id: template.account_id,
            domain_id: template.domain_id,
            zone_id: at.zone_id,
            store_id: at.store_id,
            kind: if template.is_iso { "Iso" } else { "Template" }.into(),
            thing_id: template.id,
            object: template.uuid.clone(),
            file_name: file_name(&template.name, &template.format),
            format: template.format.clone(),
            ..Default::default()
        };
        self.download_insert(call, row, Uuid::new_v4().to_string()).await
    }

    /// Copies a volume that nothing writes to onto an image store and gives the copy an address, in the call's job.
    pub async fn volume_extract(&self, call: &Call, volume: &Volume, zone: &Zone, mode: &str, url: Option<&str>) -> Result<Download> {
        check_mode(mode, url)?;
        let template = match volume.template_id {
            Some(id) => self.db.get::<Template>(id).await?,
            None => None,
        };
        self.may_extract(call, template.as_ref())?;
        if volume.zone_id != zone.id {
            return Err(Error::invalid("zoneid", "the volume is in another zone"));
        }
        let (empty, own) = (String::new, volume.state != VolumeState::Uploaded.word());
        let plan = Extract { volume: volume.id, object: empty(), own, store: 0, format: empty(), uuid: empty() };
        let done = EXTRACT.run(call, 0, plan).await?;
        let row = self.db.find_one::<Download>(Query::all().eq("uuid", done.uuid.as_str())).await?;
        row.ok_or_else(|| Error::internal("a download without a row"))
    }

    /// Writes an address down; one of this uuid that is there is the answer.
    async fn download_insert(&self, call: &Call, row: Download, uuid: String) -> Result<Download> {
        let seconds = self.settings.number("extract.url.expiration.interval").max(1);
        let now = call.now();
        let row = Download { uuid, token: new_token(), state: CREATED.into(), created: now, expires: now + seconds * 1_000_000, ..row };
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    if let Some(there) = tx.find_one::<Download>(Query::all().eq("uuid", row.uuid.as_str())).await? {
                        return Ok(there);
                    }
                    let mut row = row.clone();
                    tx.insert(&mut row).await?;
                    Ok(row)
                })
            })
            .await
    }

    /// The address of a download.
    pub fn download_url(&self, d: &Download) -> String {
        let base = self.public_url.get().map_or("http://localhost:8080", String::as_str);
        format!("{base}{PATH}{}.{}", d.token, d.format.to_ascii_lowercase())
    }

    /// What stands behind a name under [`PATH`]; nothing for one that never was or is over.
    pub async fn download_open(&self, name: &str) -> Result<Option<(Download, ObjectReader)>> {
        let token = name.split_once('.').map_or(name, |(token, _)| token);
        let q = Query::live().eq("token", token);
        let Some(d) = self.db.find_one::<Download>(q).await?.filter(|d| d.expires > self.clock.now()) else { return Ok(None) };
        let (driver, store) = self.store_driver(d.store_id).await?;
        match driver.open(&store.uuid, &d.object).await {
            Ok(reader) => Ok(Some((d, reader))),
            Err(stratus_drivers::DriverError::Missing(_)) => Ok(None),
            Err(e) => Err(from_driver(e)),
        }
    }

    /// Ends addresses whose time is over, or whose thing is gone, with the copies that were made for them; how many.
    pub async fn downloads_expire(&self) -> Result<u64> {
        let (now, mut ended) = (self.clock.now(), 0);
        for d in self.db.find::<Download>(Query::live()).await? {
            let gone = match d.kind.as_str() {
                "Volume" => self.db.must::<Volume>(d.thing_id).await?.removed.is_some(),
                _ => self.db.must::<Template>(d.thing_id).await?.removed.is_some(),
            };
            if d.expires > now && !gone {
                continue;
            }
            if d.own_object {
                let (driver, store) = self.store_driver(d.store_id).await?;
                driver.delete(&store.uuid, &d.object).await.map_err(from_driver)?;
            }
            self.db.write(move |tx| Box::pin(async move { tx.remove::<Download>(d.id, now).await })).await?;
            ended += 1;
        }
        Ok(ended)
    }
}

/// The format of a volume's bytes: as it came, as its template is, else as its hypervisor's disks are.
async fn format_of(call: &Call, volume: &Volume) -> Result<String> {
    if let Some(at) = call.db.find_one::<VolumeStore>(Query::all().eq("volume_id", volume.id)).await? {
        return Ok(at.format);
    }
    if let Some(template) = volume.template_id {
        return Ok(call.db.must::<Template>(template).await?.format);
    }
    Ok(crate::template_make::format_of(volume.hypervisor.as_deref().unwrap_or_default()).to_owned())
}

async fn choose(call: &Call, plan: &mut Extract) -> Result<()> {
    let volume = call.db.must::<Volume>(plan.volume).await?;
    plan.uuid = Uuid::new_v4().to_string();
    plan.format = format_of(call, &volume).await?;
    let upload = call.upload_of(volume.id).await?.filter(|_| !plan.own);
    (plan.object, plan.store) = match upload {
        Some(at) => (volume.uuid, at.store_id),
        None => (Uuid::new_v4().to_string(), call.store_of_zone(volume.zone_id).await?.id),
    };
    Ok(())
}

async fn lock_volume(call: &Call, plan: &mut Extract) -> Result<()> {
    if !plan.own {
        return Ok(());
    }
    let volume = call.db.must::<Volume>(plan.volume).await?;
    call.quiet(&volume, "only a volume that is Ready can be extracted").await?;
    call.volume_move(plan.volume, VolumeEvent::CopyRequested, "only a volume that is Ready can be extracted").await.map(drop)
}

async fn unlock_volume(call: &Call, plan: &mut Extract) -> Result<()> {
    if plan.own { call.volume_release(plan.volume, VolumeState::Copying).await } else { Ok(()) }
}

async fn copy_out(call: &Call, plan: &mut Extract) -> Result<()> {
    if !plan.own {
        return Ok(());
    }
    let volume = call.db.must::<Volume>(plan.volume).await?;
    let (driver, disk) = call.volume_driver(&volume).await?;
    let store = call.db.must::<ImageStore>(plan.store).await?;
    driver.snapshot(&disk, &plan.object, &store.uuid).await.map_err(from_driver)?;
    call.settle_on_store(&store, &plan.object).await
}

async fn drop_copy(call: &Call, plan: &mut Extract) -> Result<()> {
    if !plan.own || plan.object.is_empty() {
        return Ok(());
    }
    let (driver, store) = call.store_driver(plan.store).await?;
    driver.delete(&store.uuid, &plan.object).await.map_err(from_driver)
}

async fn settle(call: &Call, plan: &mut Extract) -> Result<()> {
    let volume = call.db.must::<Volume>(plan.volume).await?;
    let row = Download {
        account_id: volume.account_id,
        domain_id: volume.domain_id,
        zone_id: volume.zone_id,
        store_id: plan.store,
        kind: "Volume".into(),
        thing_id: volume.id,
        object: plan.object.clone(),
        file_name: file_name(&volume.name, &plan.format),
        format: plan.format.clone(),
        own_object: plan.own,
        ..Default::default()
    };
    call.download_insert(call, row, plan.uuid.clone()).await?;
    unlock_volume(call, plan).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_names_and_tokens() {
        assert!(check_mode("http_download", None).is_ok());
        assert!(matches!(check_mode("FTP_UPLOAD", Some("ftp://a/b")), Err(Error::Unsupported(_))));
        assert!(matches!(check_mode("HTTP_DOWNLOAD", Some("http://a/b")), Err(Error::Invalid { .. })));
        assert!(matches!(check_mode("", None), Err(Error::Invalid { .. })));
        assert_eq!(file_name("a \"b\"/c\r\n", "QCOW2"), "a__b__c__.qcow2");
        let token = new_token();
        assert!(token.len() == 64 && token != new_token());
    }
}
