//! Archives: an OVA is a tar whose first file is an OVF descriptor, with disks behind it. One with a disc image inside cannot be
//! deployed by the hypervisor it is for, so it is refused where it comes in.
use crate::dir::failed;
use crate::sniff::{Image, part};
use std::fs::File;
use stratus_drivers::DriverError;

/// Files of an archive that are looked at; an OVA has a handful.
const FILES: usize = 10_000;

/// Whether a tar is an OVA. Blocks.
pub(crate) fn look(file: &mut File) -> Result<Image, DriverError> {
    let (mut at, mut names) = (0_u64, Vec::new());
    for _ in 0..FILES {
        let header = part(file, at, 512).map_err(|e| failed("reading an archive", &e))?;
        if header.len() < 512 || header[0] == 0 {
            break;
        }
        let broken = || DriverError::Failed("the archive is broken".to_owned());
        let size = size(header.get(124..136).unwrap_or_default()).ok_or_else(broken)?;
        let name = header[..100].split(|b| *b == 0).next().unwrap_or_default();
        names.push(String::from_utf8_lossy(name).to_ascii_lowercase());
        at = size.div_ceil(512).checked_mul(512).and_then(|s| at.checked_add(512)?.checked_add(s)).ok_or_else(broken)?;
    }
    if !names.iter().any(|n| n.ends_with(".ovf")) {
        return Ok(Image::Tar);
    }
    if let Some(disc) = names.iter().find(|n| n.ends_with(".iso")) {
        return Err(DriverError::Failed(format!(
            "the OVA holds a disc image ({disc}), with which it cannot be deployed; export it without"
        )));
    }
    if !names.iter().any(|n| n.ends_with(".vmdk")) {
        return Err(DriverError::Failed("the OVA holds no disk (.vmdk)".to_owned()));
    }
    Ok(Image::Ova)
}

/// A size as tar writes it: octal digits, or binary behind a set bit.
fn size(field: &[u8]) -> Option<u64> {
    if field.first().is_some_and(|b| b & 0x80 != 0) {
        return field.get(4..12).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes);
    }
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn tar(names: &[&str]) -> File {
        let mut file = tempfile::tempfile().expect("a file");
        for name in names {
            let mut header = [0_u8; 512];
            header[..name.len()].copy_from_slice(name.as_bytes());
            header[124..135].copy_from_slice(b"00000000700");
            header[257..262].copy_from_slice(b"ustar");
            file.write_all(&header).and_then(|()| file.write_all(&[0; 512])).expect("written");
        }
        file.write_all(&[0; 1024]).expect("written");
        file
    }

    #[test]
    fn an_ova_has_a_descriptor_a_disk_and_no_disc() {
        let look = |names: &[&str]| crate::sniff(&mut tar(names));
        assert_eq!(look(&["a.ovf", "a.mf", "a-disk1.vmdk"]).expect("is known"), Image::Ova);
        assert_eq!(look(&["etc/passwd"]).expect("is known"), Image::Tar);
        for names in [&["a.ovf", "a.vmdk", "Tools.ISO"][..], &["a.ovf"]] {
            assert!(matches!(look(names), Err(DriverError::Failed(_))), "{names:?}");
        }
    }
}
