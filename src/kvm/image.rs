//! Image files: what is in one before anybody opens it, and `qemu-img` with the format always named.
//!
//! An image that comes from outside is hostile until looked at: a qcow2 header may name any file of this machine as its backing
//! file or as the place of its data, and QEMU would read it for the guest. So the header is read here, and only what names nothing
//! else passes.
use crate::keep::io;
use crate::run::{LONG, Runner};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use stratus_drivers::DriverError;

/// Bytes of a header that are read: those of version 3.
const HEAD: usize = 104;
/// Where version 3 names the features that a reader has to know; version 2 ends there.
const INCOMPATIBLE: usize = 72;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// QEMU's own.
    Qcow2,
    /// Bytes of a disk as they are.
    Raw,
    /// Bytes of a CD as they are.
    Iso,
}

impl Format {
    /// As `qemu-img` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Qcow2 => "qcow2",
            Self::Raw | Self::Iso => "raw",
        }
    }
}

/// A file that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Image {
    pub format: Format,
    /// Size of the disk inside.
    pub virtual_bytes: u64,
}

fn bad(path: &Path, why: &str) -> DriverError {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    DriverError::Failed(format!("image {name}: {why}"))
}

/// Looks at an image that came from outside. Refused: other formats than this hypervisor's, a qcow2 that refers to other files, a
/// header that promises what the file cannot hold, and disks above `limit` bytes.
pub(crate) fn inspect(path: &Path, limit: u64) -> Result<Image, DriverError> {
    let file = File::open(path).map_err(io(path))?;
    let length = file.metadata().map_err(io(path))?.len();
    let mut head = vec![0; HEAD];
    let read = file.read_at(&mut head, 0).map_err(io(path))?;
    head.truncate(read);
    let image = if head.starts_with(b"QFI\xfb") {
        Image { format: Format::Qcow2, virtual_bytes: qcow2(path, &head, length, true)?.virtual_bytes }
    } else {
        Image { format: plain(path, &file, &head, length)?, virtual_bytes: length }
    };
    match image.virtual_bytes {
        0 => Err(bad(path, "it is empty")),
        bytes if bytes > limit => Err(bad(path, &format!("its disk has {bytes} bytes, at most {limit} are taken"))),
        _ => Ok(image),
    }
}

/// The header of a qcow2 as far as it matters (docs/interop/qcow2.txt of QEMU).
pub(crate) struct Header {
    pub virtual_bytes: u64,
    backing: Option<(u64, u32)>,
}

fn number(bytes: &[u8], at: usize, count: usize) -> u64 {
    bytes.get(at..at + count).unwrap_or_default().iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

fn qcow2(path: &Path, head: &[u8], length: u64, alone: bool) -> Result<Header, DriverError> {
    let version = number(head, 4, 4);
    if head.len() < if version == 3 { HEAD } else { INCOMPATIBLE } {
        return Err(bad(path, "its header ends too early"));
    }
    if !matches!(version, 2 | 3) {
        return Err(bad(path, &format!("it is qcow2 of version {version}, known are 2 and 3")));
    }
    let backing = (number(head, 8, 8) != 0).then(|| (number(head, 8, 8), number(head, 16, 4) as u32));
    if alone && backing.is_some() {
        return Err(bad(path, "it needs a backing file; only images that are whole are taken"));
    }
    let cluster_bits = number(head, 20, 4);
    let virtual_bytes = number(head, 24, 8);
    if !(9..=21).contains(&cluster_bits) {
        return Err(bad(path, "its cluster size is out of range"));
    }
    if alone && number(head, 32, 4) != 0 {
        return Err(bad(path, "it is encrypted"));
    }
    // Incompatible features: 0 (not closed well), 3 (compression) and 4 (extended entries) name nothing outside; 2 does.
    let entry = if version == 3 && number(head, INCOMPATIBLE, 8) & 16 != 0 { 16 } else { 8 };
    if version == 3 && number(head, INCOMPATIBLE, 8) & !0b1_1001 != 0 {
        return Err(bad(path, "it keeps its data in another file, is damaged, or needs features that are not known"));
    }
    // Each entry of the first table covers one cluster of second-table entries, each of which covers one cluster.
    let covered = (1_u64 << (2 * cluster_bits)) / entry;
    let entries = number(head, 36, 4);
    let needed = virtual_bytes.div_ceil(covered);
    let table = number(head, 40, 8);
    let fits = entries >= needed && table.checked_add(entries * 8).is_some_and(|end| end <= length);
    if !fits {
        return Err(bad(path, "its header promises more than the file holds"));
    }
    Ok(Header { virtual_bytes, backing })
}

/// What is not qcow2: a CD, a disk as it is, or another hypervisor's format.
fn plain(path: &Path, file: &File, head: &[u8], length: u64) -> Result<Format, DriverError> {
    let mut tail = [0; 8];
    if length >= 512 {
        file.read_exact_at(&mut tail, length - 512).map_err(io(path))?;
    }
    for (bytes, magic, name) in [
        (head, b"KDMV".as_slice(), "VMDK"),
        (head, b"# Disk DescriptorFile", "VMDK"),
        (head, b"conectix", "VHD"),
        (&tail, b"conectix", "VHD"),
        (head, b"vhdxfile", "VHDX"),
        (head, b"\x1f\x8b", "gzip"),
        (head, b"BZh", "bzip2"),
        (head, b"\xfd7zXZ", "xz"),
        (head, b"PK\x03\x04", "zip"),
        (head, b"<!DOCTYPE", "HTML"),
        (head, b"<html", "HTML"),
    ] {
        if bytes.starts_with(magic) {
            return Err(bad(path, &format!("it is {name}, which KVM does not run")));
        }
    }
    let mut volume = [0; 5];
    let iso = length > 32774 && file.read_exact_at(&mut volume, 32769).is_ok() && &volume == b"CD001";
    Ok(if iso { Format::Iso } else { Format::Raw })
}

/// The backing file that a disk of ours names, as it stands in the header, and the disk's size.
pub(crate) fn own(path: &Path) -> Result<(u64, Option<PathBuf>), DriverError> {
    let file = File::open(path).map_err(io(path))?;
    let length = file.metadata().map_err(io(path))?.len();
    let mut head = vec![0; HEAD];
    let read = file.read_at(&mut head, 0).map_err(io(path))?;
    head.truncate(read);
    if !head.starts_with(b"QFI\xfb") {
        return Err(bad(path, "it is not qcow2"));
    }
    let header = qcow2(path, &head, length, false)?;
    let Some((at, size)) = header.backing else { return Ok((header.virtual_bytes, None)) };
    let mut name = vec![0; (size as usize).min(1023)];
    file.read_exact_at(&mut name, at).map_err(io(path))?;
    Ok((header.virtual_bytes, Some(PathBuf::from(String::from_utf8_lossy(&name).into_owned()))))
}

/// A digest in the form that checksums have in the API.
fn checksum(digest: sha2::Sha256) -> String {
    digest.finalize().iter().fold("{SHA-256}".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// The checksum of a file's bytes.
pub(crate) async fn digest(path: &Path) -> Result<String, DriverError> {
    let path = path.to_owned();
    blocking(move || {
        let mut file = File::open(&path).map_err(io(&path))?;
        let mut digest = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            let count = file.read(&mut buffer).map_err(io(&path))?;
            if count == 0 {
                return Ok(checksum(digest));
            }
            digest.update(&buffer[..count]);
        }
    })
    .await
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

/// Runs what blocks elsewhere.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, DriverError> + Send + 'static) -> Result<T, DriverError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| DriverError::Failed(e.to_string()))?
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

    /// An offset and the bytes there.
    type Change<'a> = (usize, &'a [u8]);

    /// A qcow2 header of version 3 with these fields changed.
    fn header(changes: &[Change<'_>]) -> tempfile::NamedTempFile {
        let mut bytes = vec![0; 1 << 17];
        let fields: [Change<'_>; 6] = [
            (0, b"QFI\xfb\0\0\0\x03"),
            (20, &16_u32.to_be_bytes()),
            (24, &(64_u64 << 20).to_be_bytes()),
            (36, &1_u32.to_be_bytes()),
            (40, &(1_u64 << 16).to_be_bytes()),
            (100, &104_u32.to_be_bytes()),
        ];
        for (at, field) in fields.iter().chain(changes) {
            bytes[*at..*at + field.len()].copy_from_slice(field);
        }
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        file
    }

    fn verdict(file: &tempfile::NamedTempFile) -> Result<Image, String> {
        inspect(file.path(), 1 << 30).map_err(|e| e.to_string())
    }

    #[test]
    fn a_whole_qcow2_passes() {
        assert_eq!(verdict(&header(&[])), Ok(Image { format: Format::Qcow2, virtual_bytes: 64 << 20 }));
    }

    #[test]
    fn an_image_that_points_elsewhere_or_lies_is_refused() {
        let huge = (1_u64 << 29).to_be_bytes();
        let cases: [(&[Change<'_>], &str); 7] = [
            (&[(8, &104_u64.to_be_bytes()), (16, &11_u32.to_be_bytes())], "backing file"),
            (&[(72, &4_u64.to_be_bytes())], "another file"),
            (&[(32, &1_u32.to_be_bytes())], "encrypted"),
            (&[(24, &(1_u64 << 40).to_be_bytes())], "promises more"),
            (&[(24, &huge), (36, &u32::MAX.to_be_bytes())], "promises more"),
            (&[(4, &9_u32.to_be_bytes())], "version 9"),
            (&[(20, &63_u32.to_be_bytes())], "cluster size"),
        ];
        for (changes, why) in cases {
            let error = verdict(&header(changes)).unwrap_err();
            assert!(error.contains(why), "{why}: {error}");
        }
        let error = inspect(header(&[]).path(), 1 << 20).unwrap_err().to_string();
        assert!(error.contains("at most 1048576"), "{error}");
    }

    #[test]
    fn other_formats_are_named() {
        for (head, name) in [(b"KDMV".as_slice(), "VMDK"), (b"conectix", "VHD"), (b"\x1f\x8b\x08", "gzip"), (b"<!DOCTYPE html>", "HTML")] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(head).unwrap();
            file.write_all(&[0; 4096]).unwrap();
            assert!(verdict(&file).unwrap_err().contains(name), "{name}");
        }
        let empty = tempfile::NamedTempFile::new().unwrap();
        assert!(verdict(&empty).unwrap_err().contains("empty"));
        let mut cut = tempfile::NamedTempFile::new().unwrap();
        cut.write_all(b"QFI\xfb\0\0\0\x03").unwrap();
        assert!(verdict(&cut).unwrap_err().contains("too early"));
    }

    #[test]
    fn a_cd_and_a_disk_pass_as_they_are() {
        let mut cd = tempfile::NamedTempFile::new().unwrap();
        cd.write_all(&[0; 32769]).unwrap();
        cd.write_all(b"CD001").unwrap();
        cd.write_all(&[0; 2048]).unwrap();
        assert_eq!(verdict(&cd).map(|image| image.format), Ok(Format::Iso));
        let mut disk = tempfile::NamedTempFile::new().unwrap();
        disk.write_all(&[1; 4096]).unwrap();
        assert_eq!(verdict(&disk).map(|image| image.format), Ok(Format::Raw));
    }

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
