//! `aws-chunked` taken off while it streams: every chunk's signature checked, trailers read, nothing held but one line.
use crate::{Fault, Outcome};
use sha2::{Digest, Sha256};
use stratus_sigs::{ChunkChain, ChunkHead};

const MAX_LINE: usize = 4096;
const MAX_TRAILERS: usize = 16;

enum At {
    Head,
    Data { left: u64, signature: Option<String> },
    DataEnd,
    Trailers,
    End,
}

/// The decoder of one body.
pub struct Chunks {
    at: At,
    chain: Option<ChunkChain>,
    signed_trailer: bool,
    may_trail: bool,
    line: Vec<u8>,
    hash: Sha256,
    length: u64,
    seen: u64,
    trailers: Vec<(String, String)>,
    trailer_signature: Option<String>,
}

impl Chunks {
    /// A decoder of a body of `length` bytes once decoded; with a chain every chunk must be signed, and so must trailers.
    pub fn new(chain: Option<ChunkChain>, may_trail: bool, length: u64) -> Self {
        Self {
            at: At::Head,
            signed_trailer: chain.is_some(),
            chain,
            may_trail,
            line: Vec::new(),
            hash: Sha256::new(),
            length,
            seen: 0,
            trailers: Vec::new(),
            trailer_signature: None,
        }
    }

    /// Takes in what arrived and puts the object's bytes out.
    pub fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Outcome<()> {
        while !input.is_empty() {
            match &mut self.at {
                At::Data { left, .. } => {
                    let n = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                    let (data, rest) = input.split_at(n);
                    if self.chain.is_some() {
                        self.hash.update(data);
                    }
                    out.extend_from_slice(data);
                    *left -= n as u64;
                    input = rest;
                    if *left == 0 {
                        self.end_of_data()?;
                    }
                }
                At::End => return Err(incomplete("something follows the last chunk")),
                At::Head | At::DataEnd | At::Trailers => {
                    let Some(line) = self.line(&mut input)? else { return Ok(()) };
                    self.take_line(&line)?;
                }
            }
        }
        Ok(())
    }

    /// The trailers, once the body has ended.
    pub fn finish(self) -> Outcome<Vec<(String, String)>> {
        if !matches!(self.at, At::End) {
            return Err(incomplete("the last chunk is missing"));
        }
        if self.seen != self.length {
            return Err(incomplete("not as long as x-amz-decoded-content-length says"));
        }
        Ok(self.trailers)
    }

    /// A line without its CRLF, once it is whole.
    fn line(&mut self, input: &mut &[u8]) -> Outcome<Option<Vec<u8>>> {
        let end = input.iter().position(|b| *b == b'\n');
        let n = end.map_or(input.len(), |e| e + 1);
        if self.line.len() + n > MAX_LINE {
            return Err(broken("a line of the chunked coding is too long"));
        }
        self.line.extend_from_slice(&input[..n]);
        *input = &input[n..];
        if end.is_none() {
            return Ok(None);
        }
        let mut line = std::mem::take(&mut self.line);
        line.pop();
        match line.pop() {
            Some(b'\r') => Ok(Some(line)),
            _ => Err(broken("a line of the chunked coding does not end in CRLF")),
        }
    }

    fn take_line(&mut self, line: &[u8]) -> Outcome<()> {
        match self.at {
            At::Head => {
                let head = ChunkHead::parse(line)?;
                self.seen = self.seen.saturating_add(head.length);
                if self.seen > self.length {
                    return Err(incomplete("longer than x-amz-decoded-content-length says"));
                }
                let last = head.length == 0;
                self.at = At::Data { left: head.length, signature: head.signature };
                if last {
                    self.end_of_data()?;
                    self.at = At::Trailers;
                }
            }
            At::DataEnd if line.is_empty() => self.at = At::Head,
            At::DataEnd => return Err(broken("a chunk is longer than it says")),
            At::Trailers if line.is_empty() => self.end_of_trailers()?,
            At::Trailers => self.trailer(line)?,
            At::Data { .. } | At::End => {}
        }
        Ok(())
    }

    fn end_of_data(&mut self) -> Outcome<()> {
        let At::Data { signature, .. } = std::mem::replace(&mut self.at, At::DataEnd) else { return Ok(()) };
        if let Some(chain) = &mut self.chain {
            let digest: [u8; 32] = std::mem::take(&mut self.hash).finalize().into();
            chain.check_digest(&digest, signature.as_deref().unwrap_or_default())?;
        }
        Ok(())
    }

    fn trailer(&mut self, line: &[u8]) -> Outcome<()> {
        let text = std::str::from_utf8(line).map_err(|_| malformed())?;
        let (name, value) = text.split_once(':').ok_or_else(malformed)?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
        if !self.may_trail || self.trailer_signature.is_some() || self.trailers.len() == MAX_TRAILERS {
            return Err(malformed());
        }
        match name.as_str() {
            "x-amz-trailer-signature" => self.trailer_signature = Some(value),
            _ => self.trailers.push((name, value)),
        }
        Ok(())
    }

    fn end_of_trailers(&mut self) -> Outcome<()> {
        if self.signed_trailer
            && self.may_trail
            && let Some(chain) = &mut self.chain
        {
            chain.check_trailers(&self.trailers, self.trailer_signature.as_deref().unwrap_or_default())?;
        }
        self.at = At::End;
        Ok(())
    }
}

fn broken(why: &str) -> Fault {
    Fault::new("InvalidRequest", why)
}
fn incomplete(why: &str) -> Fault {
    Fault::new("IncompleteBody", format!("The request body is not what its headers say: {why}"))
}
fn malformed() -> Fault {
    Fault::new(
        "MalformedTrailerError",
        "The request contained trailing data that was not well-formed or did not conform to our published schema.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The object's bytes and the trailers.
    type Decoded = (Vec<u8>, Vec<(String, String)>);

    fn decode(body: &[u8], length: u64, step: usize) -> Outcome<Decoded> {
        let mut chunks = Chunks::new(None, true, length);
        let mut out = Vec::new();
        for piece in body.chunks(step) {
            chunks.push(piece, &mut out)?;
        }
        Ok((out, chunks.finish()?))
    }

    #[test]
    fn however_it_arrives_it_is_the_same() {
        let body = b"5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:abc=\r\n\r\n";
        for step in 1..body.len() {
            let (data, trailers) = decode(body, 11, step).expect("decodes");
            assert_eq!(data, b"hello world");
            assert_eq!(trailers, [("x-amz-checksum-crc32".to_owned(), "abc=".to_owned())]);
        }
    }

    #[test]
    fn what_is_cut_or_longer_or_broken_is_refused() {
        for (body, code) in [
            (&b"5\r\nhello\r\n"[..], "IncompleteBody"),
            (b"5\r\nhel", "IncompleteBody"),
            (b"5\r\nhello\r\n0\r\n", "IncompleteBody"),
            (b"5\r\nhello\r\n0\r\n\r\n", "IncompleteBody"),
            (b"b\r\nhello world\r\n0\r\n\r\nmore", "IncompleteBody"),
            (b"c\r\nhello world!\r\n0\r\n\r\n", "IncompleteBody"),
            (b"5\r\nhello!\r\n0\r\n\r\n", "InvalidRequest"),
            (b"zz\r\nhello", "InvalidArgument"),
            (b"0\r\nno colon\r\n\r\n", "MalformedTrailerError"),
        ] {
            assert_eq!(decode(body, 11, 3).map_err(|f| f.code).expect_err("refused"), code, "{}", String::from_utf8_lossy(body));
        }
        let endless = vec![b'1'; 10_000];
        assert!(decode(&endless, 11, 100).is_err());
    }
}
