//! Packed images: gzip, bzip2 and xz, known by their first bytes whatever the URL ends in.
use crate::dir::failed;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use stratus_drivers::DriverError;

/// Blocks of zeros become holes, so an image that is mostly empty stays small, and so does one that was made to fill the disk.
const BLOCK: usize = 64 << 10;

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Gzip,
    Bzip2,
    Xz,
}

impl Packing {
    /// By the first bytes; `Err` for one that is not unpacked here.
    pub fn of(start: &[u8]) -> Result<Option<Self>, DriverError> {
        if start.starts_with(b"PK\x03\x04") {
            return Err(DriverError::Failed("the file is packed as ZIP; gzip, bzip2 and xz are unpacked".into()));
        }
        Ok(match start {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..] => Some(Self::Bzip2),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            _ => None,
        })
    }
}

/// Unpacks one file into another, up to `most` bytes. Blocks.
pub(crate) fn unpack(packing: Packing, mut from: File, to: &mut File, most: u64) -> Result<u64, DriverError> {
    from.seek(SeekFrom::Start(0)).map_err(|e| failed("unpacking", &e))?;
    let from = BufReader::with_capacity(256 << 10, from);
    let from: Box<dyn Read> = match packing {
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(from)),
        Packing::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(from)),
        Packing::Xz => Box::new(lzma_rust2::XzReader::new(from, true)),
    };
    // One byte more than may be tells too much from just enough.
    let mut from = from.take(most.saturating_add(1));
    let bytes = sparse(&mut from, to).map_err(|e| match e.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof | io::ErrorKind::Other => {
            DriverError::Failed(format!("the file cannot be unpacked: {e}"))
        }
        _ => failed("unpacking", &e),
    })?;
    match bytes > most {
        true => Err(DriverError::Failed(format!("the file has more than the {most} bytes that are let in, once it is unpacked"))),
        false => Ok(bytes),
    }
}

fn sparse(from: &mut impl Read, to: &mut File) -> io::Result<u64> {
    let (mut bytes, mut block) = (0, vec![0; BLOCK]);
    loop {
        let mut filled = 0;
        while filled < BLOCK {
            match from.read(&mut block[filled..])? {
                0 => break,
                n => filled += n,
            }
        }
        if filled == 0 {
            break;
        }
        match block[..filled].iter().all(|b| *b == 0) {
            true => drop(to.seek(SeekFrom::Current(filled as i64))?),
            false => to.write_all(&block[..filled])?,
        }
        bytes += filled as u64;
    }
    to.set_len(bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn packed(packing: Packing, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match packing {
            Packing::Gzip => {
                let mut w = flate2::write::GzEncoder::new(&mut out, flate2::Compression::fast());
                w.write_all(data).and_then(|()| w.finish().map(drop)).expect("packs");
            }
            Packing::Bzip2 => {
                let mut w = bzip2::write::BzEncoder::new(&mut out, bzip2::Compression::fast());
                w.write_all(data).and_then(|()| w.finish().map(drop)).expect("packs");
            }
            Packing::Xz => {
                let mut w = lzma_rust2::XzWriter::new(&mut out, lzma_rust2::XzOptions::with_preset(0)).expect("packs");
                w.write_all(data).and_then(|()| w.finish().map(drop)).expect("packs");
            }
        }
        out
    }

    fn file(data: &[u8]) -> File {
        let mut f = tempfile::tempfile().expect("a file");
        f.write_all(data).expect("written");
        f
    }

    #[test]
    fn what_is_packed_comes_out_and_not_more_than_may() {
        let mut data = vec![0_u8; 3 << 20];
        data[1 << 20..][..5].copy_from_slice(b"bytes");
        data.extend_from_slice(b"end");
        for packing in [Packing::Gzip, Packing::Bzip2, Packing::Xz] {
            let small = packed(packing, &data);
            assert_eq!(Packing::of(&small).expect("known"), Some(packing));
            let mut out = tempfile::tempfile().expect("a file");
            let size = data.len() as u64;
            assert_eq!(unpack(packing, file(&small), &mut out, size).expect("unpacks"), size, "{packing:?}");
            let mut back = Vec::new();
            out.seek(SeekFrom::Start(0)).and_then(|_| out.read_to_end(&mut back)).expect("reads");
            assert!(back == data, "{packing:?}");
            assert!(out.metadata().expect("facts").blocks() * 512 < 1 << 20, "zeros are holes");
            let bomb = unpack(packing, file(&small), &mut tempfile::tempfile().expect("a file"), size - 1).expect_err("a bomb");
            assert!(bomb.to_string().contains("more than"), "{packing:?}: {bomb}");
            let torn = unpack(packing, file(&small[..small.len() - 9]), &mut tempfile::tempfile().expect("a file"), size);
            assert!(matches!(torn, Err(DriverError::Failed(_))), "{packing:?}: {torn:?}");
        }
        assert!(Packing::of(b"PK\x03\x04....").is_err());
        assert_eq!(Packing::of(b"QFI\xfb").expect("plain"), None);
    }
}
