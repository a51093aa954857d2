//! What the product signs it believes, and nothing one byte away from it.

use crate::http_file::{Owned, Upload};
use crate::vectors::{Expect, Vector, all};
use stratus_sigs::sign::{Hash, Keys, Target, body_hash, chunk_chain, presign_s3_v2, presign_v4, sign_s3_v2, sign_v2, sign_v4};
use stratus_sigs::{Mount, Payload, Presented, Reason, Refusal, decode_chunks, policy};

pub const KEYS: Keys<'static> = Keys { access: "key-_with-86_chars", secret: "sec/ret+text" };
pub const NOW: i64 = 1_795_226_400_000_000;
pub const HOST: &str = "cloud.example:7080";

const ODD: &[&str] = &[
    "",
    " ",
    "a b",
    "a+b",
    "a%20b",
    "~-_.!*'()",
    ";:@&=+$,/?#[]",
    "é名前🦀",
    "line\nbreak\ttab",
    "\"<>\\^`{|}",
    "%",
    "x=y&z=w",
    "\u{7f}\u{80}",
];

fn believed(claim: Result<Option<Presented>, Refusal>) -> Result<Payload, Refusal> {
    claim?.ok_or_else(Refusal::not_signed)?.verify(KEYS.secret, NOW).map(|v| v.payload)
}

fn target<'a>(method: &'a str, path: &'a str, query: &'a [(&'a str, &'a str)], service: &'a str) -> Target<'a> {
    Target { method, host: HOST, path, query, region: "anywhere", service }
}

#[test]
fn sigv2_is_believed_whatever_the_values_hold() {
    for hash in [Hash::Sha1, Hash::Sha256] {
        for value in ODD {
            let params = [("Action", "CreateTags"), ("Tag.10.Value", value), ("Tag.1.Value", value), ("Tag.é", "1")];
            let query = sign_v2(KEYS, "GET", HOST, "/awsapi", &params, hash, NOW);
            let get = Owned::new("GET", "/awsapi", &query, &[("Host", "Cloud.Example:7080")], b"");
            assert_eq!(believed(get.ec2()), Ok(Payload::Checked), "{value:?}");
            // botocore's form bodies write a blank as + and sign it as %20
            let form = sign_v2(KEYS, "POST", HOST, "/awsapi/", &params, hash, NOW).replace("%20", "+");
            let post = Owned::new("POST", "/awsapi/", "", &[("Host", HOST)], form.as_bytes());
            assert_eq!(believed(post.ec2()), Ok(Payload::Checked), "{value:?}");
        }
    }
}

#[test]
fn sigv4_is_believed_at_both_doors_whatever_the_values_hold() {
    for (value, path) in ODD.iter().zip(["/", "/awsapi", "/a%20b/", "/a//b/../c", "/x:y(z)"].iter().cycle()) {
        for service in ["ec2", "s3"] {
            let query = [("prefix", *value), ("a", "2"), ("a.b", "1"), ("delete", "")];
            let target = target("POST", path, &query, service);
            let body = b"some body \xff";
            let headers = [("content-type", "application/octet-stream"), ("x-amz-meta-a", "one two")];
            let sent = sign_v4(KEYS, &target, &headers, &body_hash(body), NOW);
            let sent: Vec<_> = sent.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let url = query.map(|(n, v)| format!("{n}={}", escape(v))).join("&");
            let mut request = Owned::new("POST", path, &url, &sent, body);
            // Blanks around and between words do not count.
            request.set("x-amz-meta-a", "  one   two ");
            let claim = if service == "s3" { request.s3() } else { ec2_of_query(&request) };
            assert_eq!(believed(claim), Ok(Payload::Checked), "{path} {value:?} {service}");
        }
    }
}

/// The EC2 door takes forms only; this body is none, so the parameters are the URL's.
fn ec2_of_query(request: &Owned) -> Result<Option<Presented>, Refusal> {
    let params = stratus_sigs::Params::of_query(&request.query, &stratus_sigs::Limits::EC2)?;
    stratus_sigs::detect_ec2(&request.view(), &params)
}

#[test]
fn presigned_requests_are_believed() {
    let query = [("Action", "DescribeRegions"), ("x", "a b+c")];
    let ec2 = target("GET", "/awsapi", &query, "ec2");
    let url = presign_v4(KEYS, &ec2, &body_hash(b""), 60, NOW);
    assert_eq!(believed(Owned::new("GET", "/awsapi", &url, &[("Host", HOST)], b"").ec2()), Ok(Payload::Checked));
    let post = Owned::new("POST", "/awsapi", &url, &[("Host", HOST)], b"");
    assert_eq!(believed(post.ec2()).map_err(|r| r.reason), Err(Reason::Mismatch));

    let path = "/awsapi/rest/AmazonS3/b/k%C3%A9";
    let s3 = target("GET", path, &[], "s3");
    let url = presign_v4(KEYS, &s3, "UNSIGNED-PAYLOAD", 604_800, NOW);
    assert_eq!(believed(Owned::new("GET", path, &url, &[("Host", HOST)], b"").s3()), Ok(Payload::Unsigned));

    let end = NOW / 1_000_000 + 60;
    for resource in [path, "/b/k%C3%A9"] {
        let url = presign_s3_v2(KEYS, "GET", &format!("{resource}?acl&versionId=3 4"), end);
        let url = format!("{url}&versionId=3%204&acl&unsigned=1");
        assert_eq!(believed(Owned::new("GET", path, &url, &[], b"").s3()), Ok(Payload::Unsigned));
    }
}

#[test]
fn s3_sigv2_takes_the_prefix_and_the_slash_of_a_bucket_lightly_but_no_key() {
    let headers = [("content-type", "text/plain"), ("x-amz-acl", "private"), ("x-amz-meta-b", "two")];
    let try_at = |signed: &str, path: &str, mount: &Mount<'_>| {
        let [date, authorization] = sign_s3_v2(KEYS, "PUT", signed, &headers, NOW);
        let mut request = Owned::new("PUT", path, "", &headers, b"");
        request.add(&date.0, &date.1);
        request.add(&authorization.0, &authorization.1);
        believed(request.s3_at(mount)).map_err(|r| r.reason)
    };
    let mount = crate::http_file::MOUNT;
    let host = Mount { bucket: Some("b"), ..mount };
    for (signed, path, mount, good) in [
        ("/awsapi/rest/AmazonS3/b/", "/awsapi/rest/AmazonS3/b/", &mount, true),
        ("/b/", "/awsapi/rest/AmazonS3/b", &mount, true),
        ("/b", "/awsapi/rest/AmazonS3/b/", &mount, true),
        ("/b/k", "/awsapi/rest/AmazonS3/b/k", &mount, true),
        ("/b/k/", "/awsapi/rest/AmazonS3/b/k", &mount, false),
        ("/b/k", "/awsapi/rest/AmazonS3/b/k/", &mount, false),
        ("/b/k", "/awsapi/rest/AmazonS3/k", &host, true),
        ("/b/", "/awsapi/rest/AmazonS3/", &host, true),
        ("/c/k", "/awsapi/rest/AmazonS3/k", &host, false),
        ("/k", "/awsapi/rest/AmazonS3/k", &host, false),
    ] {
        let wanted = if good { Ok(Payload::Unsigned) } else { Err(Reason::Mismatch) };
        assert_eq!(try_at(signed, path, mount), wanted, "{signed} sent as {path}");
    }
}

#[test]
fn a_chunked_upload_with_signed_trailers_is_believed_and_cannot_be_cut() {
    let target = target("PUT", "/b/k", &[], "s3");
    let word = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
    let sent = sign_v4(KEYS, &target, &[("x-amz-trailer", "x-amz-checksum-crc32")], word, NOW);
    let authorization = sent.last().expect("a header").1.clone();
    let mut chain = chunk_chain(KEYS, &target, &authorization, NOW);
    let mut body = Vec::new();
    for data in [b"first".as_slice(), b"second", b""] {
        body.extend(format!("{:x};chunk-signature={}\r\n", data.len(), chain.sign(data)).bytes());
        body.extend_from_slice(data);
        body.extend_from_slice(if data.is_empty() { b"" } else { b"\r\n" });
    }
    let trailers = vec![("x-amz-checksum-crc32".to_owned(), "AAAAAA==".to_owned())];
    let signature = chain.sign_trailers(&trailers);
    body.extend(format!("x-amz-checksum-crc32:AAAAAA==\r\nx-amz-trailer-signature:{signature}\r\n\r\n").bytes());

    let sent: Vec<_> = sent.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let decode = |body: &[u8]| {
        let request = Owned::new("PUT", "/b/k", "", &sent, body);
        let verified = request.s3().expect("readable").expect("signed").verify(KEYS.secret, NOW).expect("good");
        assert_eq!(verified.payload, Payload::Chunks { trailer: true });
        decode_chunks(body, verified.chain, true, 11)
    };
    let good = decode(&body).expect("good");
    assert_eq!((good.data.as_slice(), good.trailers), (b"firstsecond".as_slice(), trailers));
    for end in 0..body.len() {
        assert!(decode(&body[..end]).is_err(), "cut at {end}");
    }
    for place in 0..body.len() {
        let mut changed = body.clone();
        changed[place] ^= 1;
        assert!(decode(&changed).is_err(), "changed at {place}");
    }
}

/// Whether a request is still believed after a change. Unreadable counts as refused, and so does another key: SigV4 does
/// not sign it, but then the door looks up another secret.
fn survives(vector: &Vector, request: &Owned) -> bool {
    let claim = match vector.auth() {
        "s3-post-policy" => policy::detect(&Upload::parse(request).fields),
        _ if request.is_s3() => request.s3(),
        _ => request.ec2(),
    };
    claim
        .ok()
        .flatten()
        .is_some_and(|claim| Some(claim.access_key()) == vector.text("access_key") && claim.verify(vector.secret(), vector.clock()).is_ok())
}

#[test]
fn no_byte_of_what_a_client_signed_can_be_changed() {
    let mut changes = 0;
    let vectors = all();
    let signed = |v: &&Vector| !matches!(v.auth(), "soap-wsse" | "unparsed" | "s3-post-policy");
    for vector in vectors.iter().filter(signed).filter(|v| v.expect() == Expect::Accept) {
        let v2_of_s3 = vector.auth().starts_with("s3-sigv2");
        let streamed = vector.request.headers.contains_key("x-amz-decoded-content-length");
        let mut tries: Vec<(String, Owned)> = Vec::new();
        for (part, text) in [("path", &vector.request.path), ("query", &vector.request.query)] {
            // S3's SigV2 covers sub-resources only.
            let covered = part == "path" || !v2_of_s3;
            for place in (0..text.len()).filter(|_| covered) {
                let mut bytes = text.clone().into_bytes();
                bytes[place] ^= 1;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                let mut request = vector.request.clone();
                if part == "path" {
                    request.path = changed
                } else {
                    request.query = changed
                }
                tries.push((format!("{part} at {place}"), request));
            }
        }
        for place in (0..vector.request.body.len()).filter(|_| !v2_of_s3 && !streamed) {
            let mut request = vector.request.clone();
            request.body[place] ^= 1;
            tries.push((format!("body at {place}"), request));
        }
        for name in ["authorization", "x-amz-date", "date", "host"] {
            let Some(value) = vector.request.headers.get(name) else { continue };
            let value = value.to_str().expect("text").to_owned();
            // S3's SigV2 does not cover the host, and one vector's signer left its port out.
            let end = match name {
                "host" if v2_of_s3 => 0,
                "host" => vector.text("signed_host").map_or(value.len(), str::len),
                _ => value.len(),
            };
            for place in 0..end {
                let mut bytes = value.clone().into_bytes();
                bytes[place] ^= 1;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                let mut request = vector.request.clone();
                request.set(name, &changed);
                tries.push((format!("{name} at {place}"), request));
            }
        }
        for (what, request) in tries {
            assert!(!survives(vector, &request), "{}: {what} was changed and nobody saw it", vector.file);
            changes += 1;
        }
    }
    assert!(changes > 20_000, "{changes} changes are too few to be all");
}

/// Percent-encoding of this test's own, so that the crate's is not checked against itself.
fn escape(text: &str) -> String {
    text.bytes().map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02x}") }).collect()
}
