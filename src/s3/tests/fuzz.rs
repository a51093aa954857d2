//! What strangers send to the S3 door, bent at random: chunked bodies, bucket policies, policies of forms, and forms. No reader may
//! panic; what arrives in pieces must read as it does in one; nothing that was not signed may come out of a signed body.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says so and ends")]

use base64::{Engine, engine::general_purpose::STANDARD};
use stratus_s3::chunks::Chunks;
use stratus_s3::form::{Fields, Form};
use stratus_s3::policy::{Ask, Policy, Verdict};
use stratus_sigs::sign::{Keys, Target, chunk_chain};
use stratus_sigs::{ChunkChain, decode_chunks};
use stratus_testkit::fuzz::run;

const CHUNKED: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"0\r\n\r\n",
    b";chunk-signature=",
    b"ffffffffffffffff",
    b"-1",
    b"+5",
    b"x-amz-checksum-crc32:",
    b":",
    b"\0",
    b"5;a=b",
];
const JSON: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b"\"",
    b"null",
    b"-1",
    b"1e999",
    b"\"*\"",
    b"\"\\u0000\"",
    b"\"\\ud800\"",
    b"\"arn:aws:s3:::b/*\"",
    b"\"Deny\"",
    b"\"aws:SourceIp\"",
    b"\"0.0.0.0/99\"",
    b"\"NotPrincipal\":\"*\"",
];
const MULTIPART: &[&[u8]] = &[
    b"--XX",
    b"--XX--",
    b"\r\n\r\n",
    b"\r\n",
    b"\"",
    b";",
    b"name=\"file\"",
    b"filename=\"${filename}\"",
    b"Content-Type:",
    b"\0",
    b"\xff",
];

fn chain() -> ChunkChain {
    let keys = Keys { access: "AK", secret: "secret" };
    let target = Target { method: "PUT", host: "h", path: "/b/k", query: &[], region: "r", service: "s3" };
    chunk_chain(keys, &target, "AWS4-HMAC-SHA256 Signature=00ff", 1_790_000_000_000_000)
}

/// The object's bytes and the trailers.
type Decoded = (Vec<u8>, Vec<(String, String)>);

fn decode(body: &[u8], signed: bool, length: u64, step: usize) -> Option<Decoded> {
    let mut chunks = Chunks::new(signed.then(chain), true, length);
    let mut out = Vec::new();
    for piece in body.chunks(step) {
        chunks.push(piece, &mut out).ok()?;
    }
    Some((out, chunks.finish().ok()?))
}

#[test]
fn fuzz_the_chunk_decoder() {
    let texts = [
        b"5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:abc=\r\n\r\n".to_vec(),
        b"b\r\nhello world\r\n0\r\n\r\n".to_vec(),
        b"1;chunk-signature=00\r\nh\r\na;chunk-signature=11\r\nello world\r\n0;chunk-signature=22\r\n\r\n".to_vec(),
    ];
    run("chunks", CHUNKED, &texts, |body| {
        let whole = decode(body, false, 11, body.len().max(1));
        assert_eq!(decode(body, false, 11, 1), whole, "byte by byte: {}", String::from_utf8_lossy(body));
        if let Some((data, trailers)) = whole {
            assert_eq!(data.len(), 11);
            // The decoder of whole bodies, which clients and tests use, understands what this one takes.
            let other = decode_chunks(body, None, true, 11).expect("the other decoder takes it too");
            assert_eq!((data, trailers), (other.data, other.trailers));
        }
    });
}

#[test]
fn fuzz_signed_chunks() {
    let parts: [&[u8]; 3] = [b"hello", b" world", b""];
    let trailers = [("x-amz-checksum-crc32".to_owned(), "abc=".to_owned())];
    let mut signing = chain();
    let mut body = Vec::new();
    for part in parts {
        body.extend(format!("{:x};chunk-signature={}\r\n", part.len(), signing.sign(part)).bytes());
        if !part.is_empty() {
            body.extend([part, b"\r\n"].concat());
        }
    }
    let end = signing.sign_trailers(&trailers);
    body.extend(format!("x-amz-checksum-crc32:abc=\r\nx-amz-trailer-signature:{end}\r\n\r\n").bytes());
    let good = decode(&body, true, 11, 3).expect("believed as it was signed");
    assert_eq!(good, (b"hello world".to_vec(), trailers.to_vec()));
    run("signed chunks", CHUNKED, &[body], |body| {
        if let Some(believed) = decode(body, true, 11, 7) {
            assert_eq!(believed, good, "believed, and never signed: {}", String::from_utf8_lossy(body));
        }
    });
}

#[test]
fn fuzz_bucket_policies() {
    let statement = |more: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Id":"x","Statement":[{{"Sid":"1","Effect":"Allow","Principal":{{"AWS":["*"]}},"Action":["s3:Get*","s3:ListBucket"],"Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]{more}}}]}}"#
        )
        .into_bytes()
    };
    let texts = [
        statement(""),
        statement(r#","Condition":{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","::1/128"]},"StringLikeIfExists":{"s3:prefix":"home/*"}}"#),
        statement(r#","Condition":{"NumericLessThan":{"s3:max-keys":10},"DateGreaterThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"}}"#),
    ];
    run("bucket policies", JSON, &texts, |text| {
        let text = String::from_utf8_lossy(text);
        let Ok(policy) = Policy::parse(&text, "b") else { return };
        let mut document: serde_json::Value = serde_json::from_str(&text).expect("it was read as a policy");
        let deny =
            serde_json::json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]});
        let statements = document["Statement"].take();
        let statements = statements.as_array().cloned().unwrap_or_else(|| vec![statements]);
        document["Statement"] = statements.into_iter().chain([deny]).collect();
        let denied = document.to_string();
        let denied = Policy::parse(&denied, "b").unwrap_or_else(|e| panic!("one statement more, and it is none: {e:?} {denied}"));
        for value in ["", "10.1.2.3", "home/x", "-1", "2026-11-21T00:00:00Z"] {
            let value = |_: &str| Some(value.to_owned());
            for (action, resource) in [("s3:GetObject", "b/k"), ("s3:ListBucket", "b"), ("s3:PutObject", "b/k")] {
                let ask = Ask { action, resource, who: None, value: &value };
                let _ = (policy.verdict(&ask), policy.is_public());
                // Whatever else a policy says, what it denies is denied.
                assert_eq!(denied.verdict(&ask), Verdict::Deny, "{action} {text}");
            }
        }
    });
}

#[test]
fn fuzz_policies_of_forms() {
    let texts: Vec<Vec<u8>> = [
        r#"{"expiration":"2030-01-01T00:00:00.000Z","conditions":[{"bucket":"b"},["starts-with","$key","user/"],{"acl":"private"},["content-length-range",1,1048576]]}"#,
        r#"{"expiration":"2030-01-01T00:00:00Z","conditions":[["eq","$key","k"],["starts-with","$x-amz-meta-a",""]]}"#,
    ]
    .map(|t| t.as_bytes().to_vec())
    .to_vec();
    let fields = [("key", "user/k"), ("acl", "private"), ("x-amz-meta-a", "1")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    let form = stratus_sigs::Form { fields: &fields, bucket: "b", filename: "f.txt" };
    run("policies of forms", JSON, &texts, |text| {
        if let Ok(policy) = stratus_sigs::Policy::parse(&STANDARD.encode(text)) {
            let _ = policy.check(&form);
        }
    });
}

fn read(body: &[u8], step: usize) -> Option<(Fields, Vec<u8>)> {
    let mut form = Form::of("multipart/form-data; boundary=XX").ok()?;
    let mut out = Vec::new();
    for piece in body.chunks(step) {
        form.push(piece, &mut out, false).ok()?;
    }
    Some((form.finish().ok()?, out))
}

#[test]
fn fuzz_forms() {
    let texts = [
        b"--XX\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\na/${filename}\r\n--XX\r\nContent-Disposition: form-data; name=\"file\"; \
filename=\"f.txt\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--X\r\nworld\r\n--XX--\r\n"
            .to_vec(),
        b"--XX\r\nContent-Disposition: form-data; name=key\r\n\r\nk\r\n--XX\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n\r\n--XX\r\n".to_vec(),
    ];
    run("forms", MULTIPART, &texts, |body| {
        let whole = read(body, body.len().max(1));
        assert_eq!(read(body, 1), whole, "byte by byte: {}", String::from_utf8_lossy(body));
        if let Some((fields, data)) = whole {
            let held = data.len() + fields.fields.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>();
            assert!(held <= body.len(), "more came out than went in");
        }
    });
}
