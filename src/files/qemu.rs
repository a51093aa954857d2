//! What QEMU may open: an image that comes from outside is hostile until looked at.
//!
//! A qcow2 header may name any file of a host as its backing file or as the place of its data, and QEMU would read it for the guest. So
//! the header is read here, and only what names nothing else passes. A store looks when an image comes to it, a host looks again at
//! what it is given, both with this.
use crate::keep::io;
use std::fs::File;
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
pub enum Format {
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
pub struct Image {
    /// What kind of file it is.
    pub format: Format,
    /// Size of the disk inside.
    pub virtual_bytes: u64,
}

fn bad(path: &Path, why: &str) -> DriverError {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    DriverError::Failed(format!("image {name}: {why}"))
}

/// Looks at an image that came from outside. Blocks.
///
/// # Errors
/// Refused: other formats than this hypervisor's, a qcow2 that refers to other files, a
/// header that promises what the file cannot hold, and disks above `limit` bytes.
pub fn inspect(path: &Path, limit: u64) -> Result<Image, DriverError> {
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
struct Header {
    virtual_bytes: u64,
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

/// The backing file that a disk of ours names, as it stands in the header, and the disk's size. Blocks.
///
/// # Errors
/// It is no qcow2, or one that is not whole.
pub fn own(path: &Path) -> Result<(u64, Option<PathBuf>), DriverError> {
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
        let mut file = tempfile::NamedTempFile::new().expect("works");
        file.write_all(&bytes).expect("works");
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
            let error = verdict(&header(changes)).expect_err("is refused");
            assert!(error.contains(why), "{why}: {error}");
        }
        let error = inspect(header(&[]).path(), 1 << 20).expect_err("is refused").to_string();
        assert!(error.contains("at most 1048576"), "{error}");
    }

    #[test]
    fn other_formats_are_named() {
        for (head, name) in [(b"KDMV".as_slice(), "VMDK"), (b"conectix", "VHD"), (b"\x1f\x8b\x08", "gzip"), (b"<!DOCTYPE html>", "HTML")] {
            let mut file = tempfile::NamedTempFile::new().expect("works");
            file.write_all(head).expect("works");
            file.write_all(&[0; 4096]).expect("works");
            assert!(verdict(&file).expect_err("is refused").contains(name), "{name}");
        }
        let empty = tempfile::NamedTempFile::new().expect("works");
        assert!(verdict(&empty).expect_err("is refused").contains("empty"));
        let mut cut = tempfile::NamedTempFile::new().expect("works");
        cut.write_all(b"QFI\xfb\0\0\0\x03").expect("works");
        assert!(verdict(&cut).expect_err("is refused").contains("too early"));
    }

    #[test]
    fn a_cd_and_a_disk_pass_as_they_are() {
        let mut cd = tempfile::NamedTempFile::new().expect("works");
        cd.write_all(&[0; 32769]).expect("works");
        cd.write_all(b"CD001").expect("works");
        cd.write_all(&[0; 2048]).expect("works");
        assert_eq!(verdict(&cd).map(|image| image.format), Ok(Format::Iso));
        let mut disk = tempfile::NamedTempFile::new().expect("works");
        disk.write_all(&[1; 4096]).expect("works");
        assert_eq!(verdict(&disk).map(|image| image.format), Ok(Format::Raw));
    }
}
