//! Image files: `qemu-img` with the format always named, after what is in a file was looked at (`stratus_files::qemu`).
use crate::keep::io;
use crate::run::{LONG, Runner};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use stratus_drivers::DriverError;

pub(crate) use stratus_files::keep::blocking;
pub(crate) use stratus_files::qemu::{Format, Image, own};

/// A digest in the form that checksums have in the API.
fn checksum(digest: sha2::Sha256) -> String {
    digest.finalize().iter().fold("{SHA-256}".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// The identity of a disk's bytes: blocks that are not all zeros, with their places. Holes cost nothing, and a disk that is longer
/// than the one it was made from is still the same until something is written.
pub(crate) fn identity(raw: &Path) -> Result<String, DriverError> {
    const BLOCK: usize = 1 << 16;
    let mut file = File::open(raw).map_err(io(raw))?;
    let length = file.metadata().map_err(io(raw))?.len();
    let mut digest = Sha256::new();
    let mut buffer = vec![0; BLOCK];
    let mut at = 0;
    while at < length {
        match rustix::fs::seek(&file, rustix::fs::SeekFrom::Data(at)) {
            Ok(data) => at = data / BLOCK as u64 * BLOCK as u64,
            Err(_) => break,
        }
        file.seek(SeekFrom::Start(at)).map_err(io(raw))?;
        let count = (length - at).min(BLOCK as u64) as usize;
        file.read_exact(&mut buffer[..count]).map_err(io(raw))?;
        buffer[count..].fill(0);
        if buffer.iter().any(|byte| *byte != 0) {
            digest.update(at.to_be_bytes());
            digest.update(&buffer);
        }
        at += BLOCK as u64;
    }
    Ok(checksum(digest))
}

/// Makes an empty qcow2, or one on top of `backing` (a name relative to the new file's folder).
pub(crate) async fn create(run: &Runner, path: &Path, bytes: u64, backing: Option<&Path>) -> Result<(), DriverError> {
    let size = bytes.to_string();
    let mut arguments: Vec<&std::ffi::OsStr> = vec!["create".as_ref(), "-q".as_ref(), "-f".as_ref(), "qcow2".as_ref()];
    if let Some(backing) = backing {
        arguments.extend::<[&std::ffi::OsStr; 4]>(["-F".as_ref(), "qcow2".as_ref(), "-b".as_ref(), backing.as_ref()]);
    }
    arguments.extend::<[&std::ffi::OsStr; 2]>([path.as_ref(), size.as_ref()]);
    run.run("qemu-img", &arguments).await.map(drop)
}

/// Copies an image into one that is whole; `-U` because a guest may have it open.
pub(crate) async fn convert(run: &Runner, from: (&Path, Format), to: &Path, format: Format) -> Result<(), DriverError> {
    let arguments: [&std::ffi::OsStr; 9] = [
        "convert".as_ref(),
        "-q".as_ref(),
        "-U".as_ref(),
        "-f".as_ref(),
        from.1.name().as_ref(),
        "-O".as_ref(),
        format.name().as_ref(),
        from.0.as_ref(),
        to.as_ref(),
    ];
    run.run_for("qemu-img", &arguments, LONG).await.map(drop)
}

/// Grows a disk that no guest has open.
pub(crate) async fn resize(run: &Runner, path: &Path, bytes: u64) -> Result<(), DriverError> {
    let size = bytes.to_string();
    let arguments: [&std::ffi::OsStr; 6] =
        ["resize".as_ref(), "-q".as_ref(), "-f".as_ref(), "qcow2".as_ref(), path.as_ref(), size.as_ref()];
    run.run("qemu-img", &arguments).await.map(drop)
}

/// Does something (`-c` makes, `-a` goes back to, `-d` deletes) with a snapshot inside a disk that no guest has open.
pub(crate) async fn inner(run: &Runner, what: &str, snapshot: &str, path: &Path) -> Result<(), DriverError> {
    let arguments: [&std::ffi::OsStr; 5] = ["snapshot".as_ref(), "-q".as_ref(), what.as_ref(), snapshot.as_ref(), path.as_ref()];
    run.run_for("qemu-img", &arguments, LONG).await.map(drop)
}

/// A snapshot inside a disk: its name, and whether a guest's memory is in it.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Inner {
    pub name: String,
    #[serde(rename = "vm-state-size", default)]
    pub memory: u64,
}

/// The snapshots inside a disk.
pub(crate) async fn inners(run: &Runner, path: &Path) -> Result<Vec<Inner>, DriverError> {
    #[derive(serde::Deserialize)]
    struct Info {
        #[serde(default)]
        snapshots: Vec<Inner>,
    }
    let arguments: [&std::ffi::OsStr; 6] =
        ["info".as_ref(), "-U".as_ref(), "-f".as_ref(), "qcow2".as_ref(), "--output=json".as_ref(), path.as_ref()];
    let text = run.run("qemu-img", &arguments).await?;
    let info: Info = serde_json::from_str(&text).map_err(|e| DriverError::Failed(format!("qemu-img info: {e}")))?;
    Ok(info.snapshots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    #[test]
    fn identity_is_of_bytes_and_not_of_holes() {
        let mut one = tempfile::NamedTempFile::new().unwrap();
        one.write_all(&[7; 100]).unwrap();
        let first = identity(one.path()).unwrap();
        one.as_file().set_len(100).unwrap();
        let mut two = tempfile::NamedTempFile::new().unwrap();
        two.write_all(&[7; 100]).unwrap();
        assert_eq!(identity(two.path()).unwrap(), first);
        two.as_file().write_all_at(&[1], 1 << 20).unwrap();
        assert_ne!(identity(two.path()).unwrap(), first);
    }
}
