//! What an image is, by its own first and last bytes: the name and the caller may say anything.
//!
//! An image that points at another file is refused: whoever opened it would read that file of the host for the user. Facts of the
//! formats: QEMU's `docs/interop/qcow2.rst`, Microsoft's VHD specification 1.0, VMware's "Virtual Disk Format 5.0", ECMA-119.
use crate::dir::failed;
use crate::ova;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use stratus_drivers::DriverError;

/// What an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Image {
    /// QEMU's, with its virtual size.
    Qcow2(u64),
    /// Microsoft's, with its virtual size.
    Vhd(u64),
    /// Microsoft's second; its size stands deep inside and is not read.
    Vhdx,
    /// VMware's single file, with its virtual size.
    Vmdk(u64),
    /// An archive with an OVF descriptor.
    Ova,
    /// An archive without one.
    Tar,
    /// A file system of a disc.
    Iso,
    /// Nothing that says what it is: a disk as it is, or anything.
    Raw,
}

impl Image {
    /// The word that the API has for it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Qcow2(_) => "QCOW2",
            Self::Vhd(_) => "VHD",
            Self::Vhdx => "VHDX",
            Self::Vmdk(_) => "VMDK",
            Self::Ova => "OVA",
            Self::Tar => "TAR",
            Self::Iso => "ISO",
            Self::Raw => "RAW",
        }
    }

    /// Whether its bytes are the disk's own, so that a disk that grew goes on with zeros.
    pub const fn is_plain(&self) -> bool {
        matches!(self, Self::Raw | Self::Iso)
    }

    /// The size of its disk, for a file of so many bytes.
    pub const fn virtual_bytes(&self, file: u64) -> u64 {
        match self {
            Self::Qcow2(n) | Self::Vhd(n) | Self::Vmdk(n) => *n,
            _ => file,
        }
    }

    /// Whether it can pass for a format. A hybrid disc is a disk too, and bare-metal images are what their machines take.
    pub fn passes_for(&self, format: &str) -> bool {
        match format {
            "RAW" => self.is_plain(),
            "BAREMETAL" => true,
            other => self.word() == other,
        }
    }
}

fn refused(why: &str) -> DriverError {
    DriverError::Failed(why.to_owned())
}

/// Up to `most` bytes from a place in a file.
pub(crate) fn part(file: &mut File, from: u64, most: u64) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.take(most).read_to_end(&mut out)?;
    Ok(out)
}

fn be32(b: &[u8], at: usize) -> u64 {
    b.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, |b| u32::from_be_bytes(b).into())
}
fn be64(b: &[u8], at: usize) -> u64 {
    b.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_be_bytes)
}
fn le64(b: &[u8], at: usize) -> u64 {
    b.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// Looks what a file is; refuses one that points at others. Blocks.
pub fn sniff(file: &mut File) -> Result<Image, DriverError> {
    let io = |e: io::Error| failed("reading an image", &e);
    let length = file.metadata().map_err(io)?.len();
    let start = part(file, 0, 1024).map_err(io)?;
    if start.starts_with(b"QFI\xfb") {
        return qcow2(&start);
    }
    if start.starts_with(b"vhdxfile") {
        return Ok(Image::Vhdx);
    }
    if start.starts_with(b"KDMV") {
        return vmdk(file, &start);
    }
    if start.starts_with(b"# Disk DescriptorFile") {
        return Err(refused("the VMDK file is only a descriptor that points at other files; a single sparse file is needed"));
    }
    if start.get(257..262) == Some(b"ustar") {
        return ova::look(file);
    }
    for footer in [start, part(file, length.saturating_sub(512), 512).map_err(io)?] {
        if footer.starts_with(b"conectix") {
            return vhd(&footer);
        }
    }
    let volume = part(file, 32_769, 5).map_err(io)?;
    Ok(if matches!(&*volume, b"CD001" | b"BEA01" | b"NSR02" | b"NSR03") { Image::Iso } else { Image::Raw })
}

fn qcow2(start: &[u8]) -> Result<Image, DriverError> {
    if !matches!(be32(start, 4), 2 | 3) {
        return Err(refused("the QCOW2 file is of a version that is not known"));
    }
    if be64(start, 8) != 0 || be32(start, 16) != 0 {
        return Err(refused("the QCOW2 file has a backing file; flatten it (qemu-img convert) first"));
    }
    // Bit 2 of the incompatible features: the data is in another file.
    if be32(start, 4) == 3 && be64(start, 72) & 4 != 0 {
        return Err(refused("the QCOW2 file keeps its data in another file; flatten it (qemu-img convert) first"));
    }
    Ok(Image::Qcow2(be64(start, 24)))
}

fn vhd(footer: &[u8]) -> Result<Image, DriverError> {
    match be32(footer, 60) {
        2 | 3 => Ok(Image::Vhd(be64(footer, 48))),
        4 => Err(refused("the VHD file is a differencing disk, which needs its parent; merge it first")),
        _ => Err(refused("the VHD file is of a type that is not known")),
    }
}

fn vmdk(file: &mut File, start: &[u8]) -> Result<Image, DriverError> {
    let (sectors, at, size) = (le64(start, 12), le64(start, 28), le64(start, 36));
    let descriptor =
        part(file, at.saturating_mul(512), size.saturating_mul(512).min(1 << 20)).map_err(|e| failed("reading an image", &e))?;
    let text = String::from_utf8_lossy(&descriptor);
    if text.lines().any(|l| l.trim_start().to_ascii_lowercase().starts_with("parentfilenamehint")) {
        return Err(refused("the VMDK file has a parent; consolidate it first"));
    }
    // In a single file the one extent is the file itself, under the name it once had; a path would lead elsewhere.
    let leads_away = |l: &str| l.starts_with("RW ") && l.split('"').nth(1).is_some_and(|name| name.contains('/'));
    let extents = text.lines().filter(|l| l.starts_with("RW ") || l.starts_with("RDONLY ")).count();
    if extents > 1 || text.lines().any(leads_away) {
        return Err(refused("the VMDK file points at other files; a single sparse file is needed"));
    }
    Ok(Image::Vmdk(sectors.saturating_mul(512)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn look(parts: &[(usize, &[u8])], length: usize) -> Result<Image, DriverError> {
        let mut data = vec![0; length];
        for (at, bytes) in parts {
            data[*at..*at + bytes.len()].copy_from_slice(bytes);
        }
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&data).expect("written");
        sniff(&mut file)
    }

    fn known(parts: &[(usize, &[u8])], length: usize) -> Image {
        look(parts, length).expect("is known")
    }

    #[test]
    fn images_say_what_they_are() {
        let two = &2_u32.to_be_bytes()[..];
        let size = &(5_u64 << 30).to_be_bytes()[..];
        assert_eq!(known(&[(0, b"QFI\xfb"), (4, &3_u32.to_be_bytes()), (24, size)], 4096), Image::Qcow2(5 << 30));
        assert_eq!(known(&[(7680, b"conectix"), (7680 + 48, size), (7680 + 60, two)], 8192), Image::Vhd(5 << 30));
        assert_eq!(known(&[(0, b"vhdxfile")], 8192), Image::Vhdx);
        assert_eq!(known(&[(0, b"KDMV"), (12, &2048_u64.to_le_bytes())], 8192), Image::Vmdk(1 << 20));
        assert_eq!(known(&[(32_769, b"CD001")], 40_000), Image::Iso);
        assert_eq!(known(&[(0, b"a")], 1), Image::Raw, "shorter than everything that is looked for");
        assert!(Image::Iso.passes_for("RAW") && !Image::Raw.passes_for("ISO") && !Image::Vhdx.passes_for("VHD"));
    }

    #[test]
    fn an_image_that_points_elsewhere_is_refused() {
        let three = &3_u32.to_be_bytes()[..];
        let one = &1_u64.to_le_bytes()[..];
        let cases: [&[(usize, &[u8])]; 7] = [
            &[(0, b"QFI\xfb"), (4, three), (8, &[0, 0, 0, 0, 0, 0, 1, 0]), (16, three)],
            &[(0, b"QFI\xfb"), (4, three), (72, &4_u64.to_be_bytes())],
            &[(0, b"QFI\xfb"), (4, &9_u32.to_be_bytes())],
            &[(0, b"conectix"), (60, &4_u32.to_be_bytes())],
            &[(0, b"# Disk DescriptorFile\n")],
            &[(0, b"KDMV"), (28, one), (36, one), (512, b"parentFileNameHint=\"/etc/passwd\"\n")],
            &[(0, b"KDMV"), (28, one), (36, one), (512, b"RW 1 FLAT \"/etc/passwd\" 0\n")],
        ];
        for parts in cases {
            assert!(matches!(look(parts, 2048), Err(DriverError::Failed(_))), "{parts:?}");
        }
    }
}
