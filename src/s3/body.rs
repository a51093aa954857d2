//! A request's body on its way in: the transfer's coding off, every promise about it checked, and into a file or into memory.
use crate::blobs::{Blobs, Fresh};
use crate::checksum::{Algorithm, Kept, Sum};
use crate::chunks::Chunks;
use crate::request::Request;
use crate::{Door, Fault, Outcome};
use axum::body::{Body, Bytes};
use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::BodyExt;
use md5::{Digest, Md5};
use sha2::Sha256;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use stratus_engine::bucket_object::hex_of;
use stratus_sigs::Payload;

/// The longest object in one request, and the longest part.
pub const MOST: u64 = 5 << 30;
/// How much is gathered before it is hashed and written in one go.
const PIECE: usize = 1 << 20;

/// What was received, whole, checked and fsynced; a file that nothing names yet.
pub struct Received {
    /// The file.
    pub fresh: Fresh,
    /// Bytes.
    pub size: i64,
    /// MD5 in hexadecimal.
    pub md5: String,
    /// Checksums that were sent or asked for.
    pub checksums: Vec<Kept>,
}

/// What a request promises about its body.
#[derive(Debug, Default, Clone)]
struct Promise {
    md5: Option<[u8; 16]>,
    sha256: Option<[u8; 32]>,
    checksum: Option<(Algorithm, String)>,
    /// The checksum that must come behind the body.
    trailer: Option<Algorithm>,
}

impl Promise {
    fn of(request: &Request) -> Outcome<Self> {
        let mut promise = Self::default();
        if let Some(text) = request.header("content-md5") {
            let bytes = STANDARD.decode(text).ok().and_then(|b| <[u8; 16]>::try_from(b).ok());
            promise.md5 = Some(bytes.ok_or_else(|| Fault::new("InvalidDigest", "The Content-MD5 you specified was invalid."))?);
        }
        if let Payload::Sha256(wanted) = request.payload {
            promise.sha256 = Some(wanted);
        }
        promise.checksum = sent_checksum(request)?;
        let trailing = matches!(request.payload, Payload::Chunks { trailer: true } | Payload::UnsignedChunks);
        if let Some(name) = request.header("x-amz-trailer").filter(|_| trailing) {
            let algorithm = Algorithm::from_header(name.trim());
            let unknown = || Fault::new("InvalidRequest", "The value specified in the x-amz-trailer header is not supported");
            promise.trailer = Some(algorithm.ok_or_else(unknown)?);
            if promise.checksum.is_some() {
                return Err(Fault::new(
                    "InvalidRequest",
                    "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
                ));
            }
        }
        Ok(promise)
    }

    /// The algorithms that must be summed.
    fn algorithms(&self, more: Option<Algorithm>) -> Vec<Algorithm> {
        let mut all: Vec<Algorithm> = self.checksum.iter().map(|c| c.0).chain(self.trailer).collect();
        if let Some(a) = more.filter(|_| all.is_empty()) {
            all.push(a);
        }
        all
    }

    /// Compares with what came.
    fn check(&self, got: &Digests, trailers: &[(String, String)]) -> Outcome<()> {
        if self.md5.is_some_and(|wanted| wanted != got.md5) {
            return Err(Fault::new("BadDigest", "The Content-MD5 you specified did not match what we received."));
        }
        if self.sha256.is_some() && self.sha256 != got.sha256 {
            return Err(Fault::new(
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            ));
        }
        let mut wanted = self.checksum.clone();
        if let Some(a) = self.trailer {
            let found = trailers.iter().find(|(n, _)| n == a.header()).map(|(_, v)| v.clone());
            let missing = || Fault::new("MalformedTrailerError", format!("The trailing header {} did not come", a.header()));
            wanted = Some((a, checked_value(a, &found.ok_or_else(missing)?)?));
        }
        match wanted {
            Some((a, value)) if !got.kept.iter().any(|k| k.algorithm == a && k.value == value) => {
                Err(Fault::new("BadDigest", format!("The {} you specified did not match the calculated checksum.", a.name())))
            }
            _ => Ok(()),
        }
    }
}

/// The one checksum among a request's headers.
pub fn sent_checksum(request: &Request) -> Outcome<Option<(Algorithm, String)>> {
    let mut found = None;
    for a in Algorithm::ALL {
        if let Some(value) = request.header(a.header())
            && found.replace((a, checked_value(a, value)?)).is_some()
        {
            return Err(Fault::new(
                "InvalidRequest",
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
            ));
        }
    }
    Ok(found)
}

fn checked_value(a: Algorithm, value: &str) -> Outcome<String> {
    if a.is_value(value) {
        return Ok(value.to_owned());
    }
    Err(Fault::new("InvalidRequest", format!("Value for {} header is invalid.", a.header())))
}

/// What hashing a body gave.
struct Digests {
    md5: [u8; 16],
    sha256: Option<[u8; 32]>,
    kept: Vec<Kept>,
}

/// The hashes of a body that is coming in.
struct Hashes {
    md5: Md5,
    sha256: Option<Sha256>,
    sums: Vec<(Algorithm, Sum)>,
}

impl Hashes {
    fn new(sha256: bool, algorithms: Vec<Algorithm>) -> Self {
        Self { md5: Md5::new(), sha256: sha256.then(Sha256::new), sums: algorithms.into_iter().map(|a| (a, Sum::new(a))).collect() }
    }
    fn update(&mut self, data: &[u8]) {
        self.md5.update(data);
        if let Some(h) = &mut self.sha256 {
            h.update(data);
        }
        self.sums.iter_mut().for_each(|(_, s)| s.update(data));
    }
    fn finish(self) -> Digests {
        Digests {
            md5: self.md5.finalize().into(),
            sha256: self.sha256.map(|h| h.finalize().into()),
            kept: self.sums.into_iter().map(|(a, s)| Kept { algorithm: a, value: s.finish(), composite: false }).collect(),
        }
    }
}

/// A file being written with its hashes, on threads that may wait for the disk.
pub struct Receiver {
    sink: Option<Sink>,
    piece: Vec<u8>,
}

struct Sink {
    blobs: Arc<Blobs>,
    file: Option<(Fresh, File)>,
    hashes: Hashes,
    size: i64,
}

impl Sink {
    fn write(&mut self, data: &[u8]) -> std::io::Result<()> {
        if self.file.is_none() {
            self.file = Some(self.blobs.create()?);
        }
        self.hashes.update(data);
        self.size += data.len() as i64;
        match &mut self.file {
            Some((_, f)) => f.write_all(data),
            None => Ok(()),
        }
    }
}

impl Receiver {
    /// One that also sums what these algorithms ask.
    pub fn new(blobs: Arc<Blobs>, sha256: bool, algorithms: Vec<Algorithm>) -> Self {
        let sink = Sink { blobs, file: None, hashes: Hashes::new(sha256, algorithms), size: 0 };
        Self { sink: Some(sink), piece: Vec::new() }
    }

    /// Takes bytes in; waits for the disk now and then.
    pub async fn push(&mut self, data: &[u8]) -> Outcome<()> {
        self.piece.extend_from_slice(data);
        if self.piece.len() >= PIECE {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Outcome<()> {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        let mut sink = self.sink.take().ok_or_else(gone)?;
        let written = tokio::task::spawn_blocking(move || sink.write(&piece).map(|()| sink)).await.map_err(|_| gone())?;
        self.sink = Some(written?);
        Ok(())
    }

    /// The whole, fsynced.
    async fn finish(mut self) -> Outcome<(Fresh, i64, Digests)> {
        let mut sink = self.sink.take().ok_or_else(gone)?;
        let piece = std::mem::take(&mut self.piece);
        let work = move || {
            sink.write(&piece)?;
            let (fresh, file) = sink.file.take().ok_or_else(|| std::io::Error::other("no file"))?;
            sink.blobs.sync(&fresh.id, &file)?;
            Ok::<_, std::io::Error>((fresh, sink.size, sink.hashes.finish()))
        };
        Ok(tokio::task::spawn_blocking(work).await.map_err(|_| gone())??)
    }

    /// The whole as received.
    pub async fn received(self) -> Outcome<Received> {
        let (fresh, size, got) = self.finish().await?;
        Ok(Received { fresh, size, md5: hex_of(&got.md5), checksums: got.kept })
    }
}

fn gone() -> Fault {
    Fault::new("InternalError", "An internal error has occurred")
}

/// A request's body, piece by piece, without the transfer's coding.
struct Incoming {
    body: Body,
    chunks: Option<Chunks>,
}

impl Incoming {
    /// Begins to read; says how long it will be once decoded.
    fn of(request: &mut Request, body: Body) -> Outcome<(Self, Option<u64>)> {
        let number = |name: &str| match request.header(name) {
            None => Ok(None),
            Some(text) => text.parse::<u64>().map(Some).map_err(|_| Fault::argument(name, text, "not a number")),
        };
        let chunked = match request.payload {
            Payload::Chunks { trailer } => Some(trailer),
            Payload::UnsignedChunks => Some(true),
            _ => None,
        };
        let Some(may_trail) = chunked else {
            return Ok((Self { body, chunks: None }, number("content-length")?));
        };
        let length = number("x-amz-decoded-content-length")?.ok_or_else(no_length)?;
        let chunks = Chunks::new(request.chain.take(), may_trail, length);
        Ok((Self { body, chunks: Some(chunks) }, Some(length)))
    }

    /// The next bytes; `None` at the end.
    async fn next(&mut self) -> Outcome<Option<Bytes>> {
        loop {
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let broke =
                |_| Fault::new("IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header");
            let Ok(data) = frame.map_err(broke)?.into_data() else { continue };
            let Some(chunks) = &mut self.chunks else { return Ok(Some(data)) };
            let mut out = Vec::with_capacity(data.len());
            chunks.push(&data, &mut out)?;
            return Ok(Some(out.into()));
        }
    }

    fn trailers(self) -> Outcome<Vec<(String, String)>> {
        self.chunks.map_or_else(|| Ok(Vec::new()), Chunks::finish)
    }
}

fn no_length() -> Fault {
    Fault::new("MissingContentLength", "You must provide the Content-Length HTTP header.")
}

impl Door {
    /// Receives an object's or a part's bytes; `algorithm` is summed when the request promises no checksum itself.
    pub(crate) async fn receive(&self, request: &mut Request, body: Body, algorithm: Option<Algorithm>) -> Outcome<Received> {
        let promise = Promise::of(request)?;
        let (mut incoming, length) = Incoming::of(request, body)?;
        let length = length.ok_or_else(no_length)?;
        if length > MOST {
            let why = "Your proposed upload exceeds the maximum allowed size";
            return Err(Fault::new("EntityTooLarge", why).with("MaxSizeAllowed", MOST.to_string()));
        }
        let mut receiver = Receiver::new(self.blobs.clone(), promise.sha256.is_some(), promise.algorithms(algorithm));
        let mut seen = 0;
        while let Some(data) = incoming.next().await? {
            seen += data.len() as u64;
            receiver.push(&data).await?;
        }
        let trailers = incoming.trailers()?;
        if seen != length {
            return Err(Fault::new(
                "IncompleteBody",
                "You did not provide the number of bytes specified by the Content-Length HTTP header",
            ));
        }
        let (fresh, size, got) = receiver.finish().await?;
        promise.check(&got, &trailers)?;
        self.count_in(request, size);
        Ok(Received { fresh, size, md5: hex_of(&got.md5), checksums: got.kept })
    }

    /// Reads a document into memory, all promises checked.
    pub(crate) async fn document(&self, request: &mut Request, body: Body, most: usize) -> Outcome<Vec<u8>> {
        let promise = Promise::of(request)?;
        let (mut incoming, _) = Incoming::of(request, body)?;
        let mut all = Vec::new();
        while let Some(data) = incoming.next().await? {
            if all.len() + data.len() > most {
                let why = "Your request was too big.";
                return Err(Fault::new("MaxMessageLengthExceeded", why).with("MaxMessageLengthBytes", most.to_string()));
            }
            all.extend_from_slice(&data);
        }
        let trailers = incoming.trailers()?;
        let mut hashes = Hashes::new(promise.sha256.is_some(), promise.algorithms(None));
        hashes.update(&all);
        promise.check(&hashes.finish(), &trailers)?;
        Ok(all)
    }
}
