//! Requests as files.

use http::{HeaderMap, HeaderName, HeaderValue};
use stratus_sigs::{Body, Limits, Mount, Params, Presented, Refusal, Request, detect_ec2, detect_s3};

/// A request that owns its parts.
#[derive(Clone, Debug)]
pub struct Owned {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

pub const MOUNT: Mount<'static> = Mount { prefix: "/awsapi/rest/AmazonS3", bucket: None };

impl Owned {
    pub fn new(method: &str, path: &str, query: &str, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let mut request =
            Self { method: method.into(), path: path.into(), query: query.into(), headers: HeaderMap::new(), body: body.into() };
        for (name, value) in headers {
            request.add(name, value);
        }
        request
    }

    pub fn add(&mut self, name: &str, value: &str) {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
        self.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a header's value"));
    }

    pub fn set(&mut self, name: &'static str, value: &str) {
        self.headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).expect("a header's value"));
    }

    /// Reads a whole request, HTTP's own chunks taken off.
    pub fn parse(bytes: &[u8]) -> Self {
        let end = find(bytes, b"\r\n\r\n").expect("an empty line after the headers");
        let head = std::str::from_utf8(&bytes[..end]).expect("headers are text");
        let mut lines = head.split("\r\n");
        let mut start = lines.next().expect("a request line").split(' ');
        let (method, target) = (start.next().expect("a method"), start.next().expect("a target"));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Self::new(method, path, query, &[], &bytes[end + 4..]);
        for line in lines {
            let (name, value) = line.split_once(':').expect("a header");
            request.add(name, value.trim());
        }
        if request.headers.get("transfer-encoding").is_some_and(|v| v == "chunked") {
            request.body = dechunk(&request.body);
        }
        request
    }

    pub fn view(&self) -> Request<'_> {
        Request { method: &self.method, path: &self.path, query: &self.query, headers: &self.headers, body: Body::Whole(&self.body) }
    }

    pub fn ec2(&self) -> Result<Option<Presented>, Refusal> {
        let request = self.view();
        detect_ec2(&request, &Params::of_request(&request, &Limits::EC2)?)
    }

    pub fn s3(&self) -> Result<Option<Presented>, Refusal> {
        self.s3_at(&MOUNT)
    }

    pub fn s3_at(&self, mount: &Mount<'_>) -> Result<Option<Presented>, Refusal> {
        let request = self.view();
        detect_s3(&request, &Params::of_query(&self.query, &Limits::S3)?, mount)
    }

    /// Whether the path belongs to the S3 door.
    pub fn is_s3(&self) -> bool {
        self.path.starts_with(MOUNT.prefix)
    }
}

/// The fields and the file of a multipart form.
pub struct Upload {
    pub fields: Vec<(String, String)>,
    pub filename: String,
    pub file: Vec<u8>,
}

impl Upload {
    pub fn parse(request: &Owned) -> Self {
        let kind = request.headers["content-type"].to_str().expect("text");
        let boundary = format!("--{}", kind.split_once("boundary=").expect("a boundary").1);
        let body = std::str::from_utf8(&request.body).expect("text");
        let mut upload = Self { fields: Vec::new(), filename: String::new(), file: Vec::new() };
        for part in body.split(&boundary).skip(1).take_while(|part| !part.starts_with("--")) {
            let (head, value) = part.split_once("\r\n\r\n").expect("a part with a head");
            let value = value.strip_suffix("\r\n").expect("a part with an end");
            let attribute = |name: &str| {
                let (_, rest) = head.split_once(&format!(" {name}=\""))?;
                Some(rest.split('"').next().unwrap_or_default().to_owned())
            };
            match (attribute("name"), attribute("filename")) {
                (_, Some(filename)) => (upload.filename, upload.file) = (filename, value.as_bytes().to_vec()),
                (name, None) => upload.fields.push((name.expect("a name"), value.to_owned())),
            }
        }
        upload
    }
}

fn dechunk(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let end = find(body, b"\r\n").expect("a chunk's head");
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).expect("text"), 16).expect("hexadecimal");
        if length == 0 {
            return out;
        }
        out.extend_from_slice(&body[end + 2..end + 2 + length]);
        body = &body[end + 2 + length + 2..];
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
