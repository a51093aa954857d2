//! Answers.
use crate::meta::put;
use crate::request::Request;
use crate::{Door, Fault, Outcome};
use axum::body::{Body, Bytes};
use http::{HeaderMap, Response, StatusCode};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use std::fs::File;
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// How much is read from a file in one go. A slow reader's connection holds two or three of these.
const PIECE: u64 = 64 * 1024;

/// An answer.
pub type Answer = Response<Body>;

/// An answer without a body.
pub fn empty(status: u16) -> Answer {
    let mut r = Response::new(Body::empty());
    *r.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    r
}

/// A document.
pub fn document(body: Vec<u8>) -> Answer {
    let mut r = Response::new(Body::from(body));
    put(r.headers_mut(), "content-type", "application/xml");
    r
}

/// An error; a HEAD and a 304 have no body.
pub fn fault(fault: &Fault, head: bool, resource: &str, id: &str) -> Answer {
    let status = fault.status();
    let mut r = match head || status == 304 {
        true => empty(status),
        false => document(fault.document(resource, id)),
    };
    *r.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    r
}

/// A file's piece: which file, from where, how much.
#[derive(Debug, Clone)]
pub struct Segment {
    /// The file.
    pub blob: String,
    /// First byte.
    pub from: u64,
    /// Bytes.
    pub length: u64,
}

/// Where sending has got to.
struct Sending {
    door: Arc<Door>,
    rest: std::vec::IntoIter<Segment>,
    at: Option<(Arc<File>, u64, u64)>,
    _hold: crate::blobs::Hold,
}

impl Door {
    /// Opens what is to be sent. `NotFound` when the first file is gone: the object was replaced a moment ago.
    pub(crate) async fn body(self: &Arc<Self>, segments: Vec<Segment>, request: &Request) -> Outcome<Option<Body>> {
        let hold = self.blobs.hold(match segments.len() {
            0 | 1 => Vec::new(),
            _ => segments.iter().map(|s| s.blob.clone()).collect(),
        });
        let total: u64 = segments.iter().map(|s| s.length).sum();
        self.count_out(request, total as i64);
        let mut rest = segments.into_iter();
        let Some(first) = rest.next() else { return Ok(Some(Body::empty())) };
        let (door, one) = (self.clone(), rest.len() == 0 && first.length <= PIECE);
        let known = one.then(|| self.blobs.read(&first.blob).ok().and_then(|file| at_hand(&file, first.from, first.length))).flatten();
        if let Some(bytes) = known {
            return Ok(Some(Body::from(bytes)));
        }
        let opened = tokio::task::spawn_blocking(move || {
            let file = door.blobs.read(&first.blob)?;
            if !one {
                return Ok((Some((Arc::new(file), first.from, first.length)), None));
            }
            Ok::<_, std::io::Error>((None, Some(read(&file, first.from, first.length)?)))
        });
        let (at, whole) = match opened.await.map_err(|e| Fault::from(std::io::Error::other(e)))? {
            Ok(o) => o,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        if let Some(bytes) = whole {
            return Ok(Some(Body::from(bytes)));
        }
        let sending = Sending { door: self.clone(), rest, at, _hold: hold };
        Ok(Some(Body::from_stream(futures::stream::try_unfold(sending, next))))
    }
}

/// Bytes that the kernel has in memory; nothing where the disk would have to be waited for. No other thread is woken for them.
fn at_hand(file: &File, from: u64, length: u64) -> Option<Bytes> {
    let mut piece = vec![0; length as usize];
    let mut got = 0;
    while got < piece.len() {
        match preadv2(file, &mut [IoSliceMut::new(&mut piece[got..])], from + got as u64, ReadWriteFlags::NOWAIT) {
            Ok(0) => return None,
            Ok(n) => got += n,
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    Some(piece.into())
}

fn read(file: &File, from: u64, length: u64) -> std::io::Result<Bytes> {
    let mut piece = vec![0; length as usize];
    file.read_exact_at(&mut piece, from)?;
    Ok(piece.into())
}

async fn next(mut s: Sending) -> std::io::Result<Option<(Bytes, Sending)>> {
    loop {
        if let Some((file, from, left)) = s.at.take().filter(|(_, _, left)| *left > 0) {
            let length = left.min(PIECE);
            let reader = file.clone();
            let piece = match at_hand(&file, from, length) {
                Some(piece) => piece,
                None => tokio::task::spawn_blocking(move || read(&reader, from, length)).await.map_err(std::io::Error::other)??,
            };
            s.at = Some((file, from + length, left - length));
            return Ok(Some((piece, s)));
        }
        let Some(segment) = s.rest.next() else { return Ok(None) };
        let door = s.door.clone();
        let file = tokio::task::spawn_blocking(move || door.blobs.read(&segment.blob)).await.map_err(std::io::Error::other)??;
        s.at = Some((Arc::new(file), segment.from, segment.length));
    }
}

/// The headers that every answer has.
pub fn common(headers: &mut HeaderMap, id: &str) {
    put(headers, "x-amz-request-id", id);
    put(headers, "x-amz-id-2", id);
    put(headers, "server", "Stratus");
}
