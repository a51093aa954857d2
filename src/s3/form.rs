//! `multipart/form-data` while it streams: small fields first, then one file. Nothing is held but the fields and the tail that might
//! be a boundary.
use crate::{Fault, Outcome};

/// Bytes of all fields together, as S3 has it for all but the file; a policy alone may be 20 KB.
const FIELDS: usize = 64 * 1024;
const HEADERS: usize = 4096;
const COUNT: usize = 100;

/// What a form gave up to now.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Fields {
    /// Names as sent and values, in order, up to the file.
    pub fields: Vec<(String, String)>,
    /// The file's own name, without folders.
    pub filename: String,
    /// The file's own type.
    pub content_type: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum At {
    Preamble,
    Headers,
    Field(String),
    File,
    End,
}

/// The reader of one form.
pub struct Form {
    boundary: Vec<u8>,
    at: At,
    held: Vec<u8>,
    bytes: usize,
    /// What was read.
    pub fields: Fields,
}

fn malformed(why: &str) -> Fault {
    Fault::new("MalformedPOSTRequest", format!("The body of your POST request is not well-formed multipart/form-data: {why}"))
}

impl Form {
    /// A reader for this Content-Type; none when it is no form.
    pub fn of(content_type: &str) -> Outcome<Self> {
        let precondition = || {
            Fault::new("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
                .with("Condition", "Bucket POST must be of the enclosure-type multipart/form-data")
        };
        let mut parts = content_type.split(';');
        if !parts.next().unwrap_or_default().trim().eq_ignore_ascii_case("multipart/form-data") {
            return Err(precondition());
        }
        let boundary = parts.filter_map(|p| p.trim().split_once('=')).find(|(n, _)| n.eq_ignore_ascii_case("boundary"));
        let boundary = boundary.map(|(_, b)| b.trim_matches('"')).filter(|b| (1..=70).contains(&b.len())).ok_or_else(precondition)?;
        // With the line break that belongs to it; the first one gets its break from us.
        let boundary = format!("\r\n--{boundary}").into_bytes();
        Ok(Self { boundary, at: At::Preamble, held: b"\r\n".to_vec(), bytes: 0, fields: Fields::default() })
    }

    /// Whether the fields are over and the file has begun.
    pub fn in_file(&self) -> bool {
        matches!(self.at, At::File | At::End)
    }

    /// Takes in what arrived; the file's bytes come out. With `stop`, it returns at the file's beginning and keeps the rest.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>, stop: bool) -> Outcome<()> {
        self.held.extend_from_slice(input);
        loop {
            let went = match &self.at {
                At::End => {
                    // What follows the file is passed over, as S3 does.
                    self.held.clear();
                    false
                }
                At::File if stop => false,
                At::File => self.file(out),
                At::Preamble => self.preamble()?,
                At::Headers => self.headers()?,
                At::Field(_) => self.field()?,
            };
            if !went {
                return Ok(());
            }
        }
    }

    /// That the form came to its file's end.
    pub fn finish(self) -> Outcome<Fields> {
        match self.at {
            At::End => Ok(self.fields),
            At::File => Err(Fault::new("IncompleteBody", "The form ends inside its file")),
            _ => Err(Fault::argument("file", "", "POST requires exactly one file upload per request.")),
        }
    }

    fn find(&self, what: &[u8]) -> Option<usize> {
        self.held.windows(what.len()).position(|w| w == what)
    }

    fn preamble(&mut self) -> Outcome<bool> {
        let Some(at) = self.find(&self.boundary) else {
            let much = self.held.len() > HEADERS;
            return if much { Err(malformed("it does not begin with its boundary")) } else { Ok(false) };
        };
        self.held.drain(..at + self.boundary.len());
        self.at = At::Headers;
        Ok(true)
    }

    /// A part's headers, once they are whole: behind the boundary's line, up to the empty one.
    fn headers(&mut self) -> Outcome<bool> {
        if self.held.starts_with(b"--") {
            return Err(Fault::argument("file", "", "POST requires exactly one file upload per request."));
        }
        let Some(end) = self.find(b"\r\n\r\n") else {
            return if self.held.len() > HEADERS { Err(malformed("a part's headers are too long")) } else { Ok(false) };
        };
        let head: Vec<u8> = self.held.drain(..end + 4).collect();
        if end > HEADERS || !head.starts_with(b"\r\n") {
            return Err(malformed("a part has no headers"));
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut name = None;
        let mut filename = None;
        let mut kind = None;
        for line in head.split("\r\n") {
            let Some((header, value)) = line.split_once(':') else { continue };
            if header.eq_ignore_ascii_case("content-disposition") {
                name = parameter(value, "name");
                filename = parameter(value, "filename");
            } else if header.eq_ignore_ascii_case("content-type") {
                kind = Some(value.trim().to_owned());
            }
        }
        let name = name.ok_or_else(|| malformed("a part has no name"))?;
        if name.eq_ignore_ascii_case("file") {
            let full = filename.unwrap_or_default();
            self.fields.filename = full.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
            self.fields.content_type = kind;
            self.at = At::File;
        } else {
            if self.fields.fields.len() == COUNT {
                return Err(malformed("too many fields"));
            }
            self.at = At::Field(name);
        }
        Ok(true)
    }

    fn field(&mut self) -> Outcome<bool> {
        let over = || Fault::new("MaxPostPreDataLengthExceeded", "Your POST request fields preceding the upload file were too large.");
        let Some(end) = self.find(&self.boundary) else {
            return if self.bytes + self.held.len() > FIELDS { Err(over()) } else { Ok(false) };
        };
        self.bytes += end;
        if self.bytes > FIELDS {
            return Err(over());
        }
        let value: Vec<u8> = self.held.drain(..end).collect();
        self.held.drain(..self.boundary.len());
        let value = String::from_utf8(value).map_err(|_| malformed("a field is not UTF-8"))?;
        if let At::Field(name) = std::mem::replace(&mut self.at, At::Headers) {
            self.fields.fields.push((name, value));
        }
        Ok(true)
    }

    fn file(&mut self, out: &mut Vec<u8>) -> bool {
        match self.find(&self.boundary) {
            Some(end) => {
                out.extend(self.held.drain(..end));
                self.at = At::End;
                true
            }
            None => {
                // All but what might be the beginning of the boundary.
                let safe = self.held.len().saturating_sub(self.boundary.len() - 1);
                out.extend(self.held.drain(..safe));
                false
            }
        }
    }
}

/// A parameter of a Content-Disposition.
fn parameter(value: &str, name: &str) -> Option<String> {
    let mut rest = value;
    while let Some(at) = rest.find(';') {
        rest = rest[at + 1..].trim_start();
        let (found, after) = rest.split_once('=')?;
        let text = match after.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next()?,
            None => after.split(';').next()?.trim(),
        };
        if found.trim().eq_ignore_ascii_case(name) {
            return Some(text.to_owned());
        }
        rest = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').map_or("", |(_, r)| r),
            None => after,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8], step: usize) -> Outcome<(Fields, Vec<u8>)> {
        let mut form = Form::of("multipart/form-data; boundary=XX")?;
        let mut out = Vec::new();
        for piece in body.chunks(step) {
            form.push(piece, &mut out, false)?;
        }
        Ok((form.finish()?, out))
    }

    const BODY: &[u8] =
        b"--XX\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\na/${filename}\r\n--XX\r\nContent-Disposition: form-data; \
name=\"file\"; filename=\"C:\\x\\f;1.txt\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--X\r\nworld\r\n--XX\r\nContent-Disposition: \
form-data; name=\"late\"\r\n\r\nx\r\n--XX--\r\n";

    #[test]
    fn however_it_arrives_it_is_the_same() {
        for step in 1..BODY.len() {
            let (fields, data) = read(BODY, step).expect("reads");
            assert_eq!(fields.fields, [("key".to_owned(), "a/${filename}".to_owned())]);
            assert_eq!((fields.filename.as_str(), fields.content_type.as_deref()), ("f;1.txt", Some("text/plain")));
            assert_eq!(data, b"hello\r\n--X\r\nworld");
        }
    }

    #[test]
    fn what_is_cut_or_broken_is_refused() {
        let in_file = BODY.windows(5).position(|w| w == b"world").expect("it is there");
        for (body, code) in [
            (&BODY[..10], "InvalidArgument"),
            (&BODY[..150], "InvalidArgument"),
            (&BODY[..in_file], "IncompleteBody"),
            (b"--XX--\r\n", "InvalidArgument"),
            (b"--XX\r\nContent-Type: a\r\n\r\nx\r\n--XX--", "MalformedPOSTRequest"),
        ] {
            assert_eq!(read(body, 7).map_err(|f| f.code).expect_err("refused"), code, "{}", String::from_utf8_lossy(body));
        }
        assert!(read(&vec![b'x'; 10_000], 100).is_err());
        assert!(Form::of("text/plain").is_err() && Form::of("multipart/form-data").is_err());
    }
}
