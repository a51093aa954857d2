//! From a URL to a checked image: downloaded, summed, unpacked, looked at.
use crate::checksum::{Digest, Kind, digest_of};
use crate::dir::{Files, Incoming, failed};
use crate::download::{Progress, download};
use crate::sniff::{Image, part, sniff};
use crate::unpack::{Packing, unpack};
use std::fs::File;
use std::io::Seek;
use std::sync::Arc;
use stratus_drivers::{DriverError, FetchSpec};

/// An image that came and is what it was said to be. It has no name yet and goes unless it is kept.
#[derive(Debug)]
pub struct Brought {
    /// The file.
    pub file: Incoming,
    /// What it is.
    pub image: Image,
    /// Its bytes.
    pub bytes: u64,
    /// Its checksum as it is now, unpacked: SHA-256.
    pub digest: Digest,
}

/// Brings what a URL has.
pub async fn bring(spec: &FetchSpec, files: &Arc<Files>, progress: &Progress) -> Result<Brought, DriverError> {
    let wanted = spec.checksum.as_deref().filter(|c| !c.trim().is_empty()).map(Digest::read).transpose()?;
    let (coming, file) = download(spec, files, progress).await?;
    let (spec, files) = (spec.clone(), files.clone());
    let checked = tokio::task::spawn_blocking(move || checked(&spec, &files, wanted, coming, file)).await;
    checked.map_err(|e| DriverError::Failed(format!("checking a download: {e}")))?
}

fn checked(spec: &FetchSpec, files: &Arc<Files>, wanted: Option<Digest>, coming: Incoming, file: File) -> Result<Brought, DriverError> {
    let io = |e: std::io::Error| failed("reading a download", &e);
    let (mut coming, mut file) = (coming, file);
    if let Some(wanted) = wanted {
        file.rewind().map_err(io)?;
        let is = digest_of(wanted.kind, &mut file).map_err(io)?;
        if is != wanted {
            return Err(DriverError::Failed(format!("the checksum of the file is {is}, and {wanted} was asked for")));
        }
    }
    if let Some(packing) = Packing::of(&part(&mut file, 0, 16).map_err(io)?)? {
        let (fresh, mut to) = files.incoming().map_err(io)?;
        unpack(packing, file, &mut to, spec.most_bytes)?;
        (coming, file) = (fresh, to);
    }
    let bytes = file.metadata().map_err(io)?.len();
    if bytes == 0 {
        return Err(DriverError::Failed("the file is empty".to_owned()));
    }
    let image = sniff(&mut file)?;
    if !image.passes_for(&spec.format) {
        return Err(DriverError::Failed(format!("the file is {}, and {} was said", image.word(), spec.format)));
    }
    if image.virtual_bytes(bytes) > spec.most_bytes {
        let (has, most) = (image.virtual_bytes(bytes), spec.most_bytes);
        return Err(DriverError::Failed(format!("the disk of the image has {has} bytes, and {most} are let in")));
    }
    file.rewind().map_err(io)?;
    let digest = digest_of(Kind::Sha256, &mut file).map_err(io)?;
    Ok(Brought { file: coming, image, bytes, digest })
}
