//! Every request of `tests/wire`: what real clients sent, and what nobody should get away with.

use crate::http_file::Upload;
use crate::vectors::{Expect, Vector, all, files};
use std::collections::BTreeMap;
use stratus_sigs::{Form, Payload, Policy, Presented, Refusal, Scheme, Verified, decode_chunks, policy};

/// The secret of a key, as the door's store would have it.
fn secrets(vectors: &[Vector]) -> BTreeMap<String, String> {
    let known = vectors.iter().filter_map(|v| Some((v.text("access_key")?.to_owned(), v.text("secret_key")?.to_owned())));
    known.collect()
}

fn detect(vector: &Vector) -> Result<Option<Presented>, Refusal> {
    if vector.auth() == "s3-post-policy" {
        return policy::detect(&Upload::parse(&vector.request).fields);
    }
    if vector.request.is_s3() { vector.request.s3() } else { vector.request.ec2() }
}

/// All a door does with a request, the look-up of the key included.
fn judge(vector: &Vector, secrets: &BTreeMap<String, String>, now: i64) -> Result<Verified, Refusal> {
    let presented = detect(vector)?.ok_or_else(Refusal::not_signed)?;
    let secret = secrets.get(presented.access_key()).ok_or_else(Refusal::unknown_key)?;
    let verified = presented.verify(secret, now)?;
    if vector.auth() == "s3-post-policy" {
        policy_holds(vector)?;
    }
    Ok(verified)
}

fn policy_holds(vector: &Vector) -> Result<(), Refusal> {
    let upload = Upload::parse(&vector.request);
    let text = upload.fields.iter().find(|(name, _)| name == "policy").expect("a policy");
    let form = Form { fields: &upload.fields, bucket: "cloudstack", filename: &upload.filename };
    let policy = Policy::parse(&text.1)?;
    policy.check(&form)?;
    assert!(policy.length().contains(&(upload.file.len() as u64)));
    assert_eq!(form.key()?, "up/hi.txt");
    Ok(())
}

fn scheme_of(auth: &str) -> &'static [Scheme] {
    match auth {
        "ec2-query-sigv2" => &[Scheme::V2],
        "sigv4-header" => &[Scheme::V4Header],
        "sigv4-query" => &[Scheme::V4Query],
        "s3-sigv2-header" => &[Scheme::S3V2Header],
        "s3-sigv2-query" => &[Scheme::S3V2Query],
        "s3-post-policy" => &[Scheme::PolicyV2, Scheme::PolicyV4],
        other => panic!("no scheme is called {other}"),
    }
}

#[test]
fn no_request_is_forgotten() {
    let vectors = all();
    let mut kinds = BTreeMap::new();
    for vector in &vectors {
        *kinds.entry(vector.auth()).or_insert(0) += 1;
    }
    let wanted = [
        ("ec2-query-sigv2", 26),
        ("s3-post-policy", 3),
        ("s3-sigv2-header", 8),
        ("s3-sigv2-query", 3),
        ("sigv4-header", 42),
        ("sigv4-query", 3),
        // Their test is soap.rs.
        ("soap-wsse", 14),
        ("unparsed", 2),
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), wanted);
    assert_eq!((vectors.len(), files()), (101, 101));
}

#[test]
fn every_request_is_judged_as_expected() {
    let vectors = all();
    let secrets = secrets(&vectors);
    let (mut accepted, mut refused, mut faults) = (0, 0, Vec::new());
    for vector in vectors.iter().filter(|v| v.auth() != "soap-wsse") {
        // The second chunk's fault shows when the body is unwrapped: see the next test.
        let chunk_altered = vector.file == "synth-neg-s3-sigv4-chunk-altered.http";
        let said = match judge(vector, &secrets, vector.clock()) {
            Ok(_) => Expect::Accept,
            Err(refusal) if vector.request.is_s3() => Expect::Refuse(refusal.s3_code()),
            Err(refusal) => Expect::Refuse(refusal.ec2_code()),
        };
        let expected = if chunk_altered { Expect::Accept } else { vector.expect() };
        match said {
            Expect::Accept => accepted += 1,
            Expect::Refuse(_) => refused += 1,
        }
        if said != expected {
            faults.push(format!("{}: {said:?} instead of {expected:?}", vector.file));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!((accepted, refused), (74, 13));
}

#[test]
fn what_was_signed_is_what_the_index_says() {
    let mut seen = 0;
    for vector in all().iter().filter(|v| v.verified()) {
        // Refused before any text is made.
        if matches!(vector.expect(), Expect::Refuse(_)) && detect(vector).is_err() {
            continue;
        }
        let presented = detect(vector).expect("readable").expect("signed");
        assert!(scheme_of(vector.auth()).contains(&presented.scheme()), "{}", vector.file);
        assert_eq!(Some(presented.access_key()), vector.text("access_key"), "{}", vector.file);
        assert_eq!(Some(presented.signature()), vector.text("signature"), "{}", vector.file);
        let wanted = vector.text("string_to_sign").expect("a verified entry has its text");
        let found = presented.strings_to_sign().any(|text| text == wanted.as_bytes());
        assert!(found, "{}: nobody would sign {wanted:?}", vector.file);
        seen += 1;
    }
    assert_eq!(seen, 75);
}

#[test]
fn chunked_bodies_are_unwrapped_and_an_altered_chunk_is_found() {
    let vectors = all();
    let secrets = secrets(&vectors);
    let mut results = BTreeMap::new();
    for vector in vectors.iter().filter(|v| v.request.headers.contains_key("x-amz-decoded-content-length")) {
        let verified = judge(vector, &secrets, vector.clock()).expect("the head is good");
        let trailer = match verified.payload {
            Payload::Chunks { trailer } => trailer,
            Payload::UnsignedChunks => true,
            other => panic!("{}: {other:?}", vector.file),
        };
        let length = vector.request.headers["x-amz-decoded-content-length"].to_str().expect("text");
        let length = length.parse().expect("a number");
        let body = decode_chunks(&vector.request.body, verified.chain, trailer, length);
        results.insert(vector.file.clone(), body.map_err(|refusal| refusal.s3_code()));
    }
    let trailer = |name: &str| results[name].as_ref().expect("good").trailers.clone();
    assert_eq!(results.len(), 4);
    assert_eq!(results["synth-neg-s3-sigv4-chunk-altered.http"], Err("SignatureDoesNotMatch"));
    assert_eq!(results["synth-s3-sigv4-chunked-put.http"].as_ref().map(|d| d.data.len()), Ok(8202));
    let crc = |text: &str| vec![("x-amz-checksum-crc32".to_owned(), text.to_owned())];
    assert_eq!(trailer("boto3-s3-https-put_object-trailer.http"), crc("nEFJaQ=="));
    assert_eq!(trailer("boto3-s3-https-upload_part.http"), crc("J61CRw=="));
}

#[test]
fn every_accepted_request_is_refused_outside_its_time_and_with_another_secret() {
    let vectors = all();
    let mut secrets = secrets(&vectors);
    let accepted: Vec<&Vector> = vectors.iter().filter(|v| v.auth() != "soap-wsse" && v.expect() == Expect::Accept).collect();
    for vector in &accepted {
        let presented = detect(vector).expect("readable").expect("signed");
        let end = presented.good_until();
        assert!(judge(vector, &secrets, end).is_ok(), "{}: good to the last moment", vector.file);
        let code = judge(vector, &secrets, end + 1).expect_err("too late").ec2_code();
        assert_eq!(code, "RequestExpired", "{}", vector.file);
    }
    for secret in secrets.values_mut() {
        let last = secret.pop().expect("not empty");
        secret.push(if last == 'A' { 'B' } else { 'A' });
    }
    for vector in &accepted {
        let code = judge(vector, &secrets, vector.clock()).expect_err("a wrong secret").s3_code();
        assert_eq!(code, "SignatureDoesNotMatch", "{}", vector.file);
    }
}
