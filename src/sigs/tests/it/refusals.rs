//! Each reason to refuse, and the code each door gives it.

use crate::http_file::Owned;
use crate::roundtrip::{HOST, KEYS, NOW};
use stratus_sigs::sign::{Hash, Target, body_hash, presign_v4, sign_v2, sign_v4};
use stratus_sigs::{Form, Policy, Presented, Reason, Refusal, SKEW_MICROS, policy};

fn reason(claim: Result<Option<Presented>, Refusal>, now: i64) -> Option<Reason> {
    let verified = claim.and_then(|c| c.ok_or_else(Refusal::not_signed)).and_then(|c| c.verify(KEYS.secret, now));
    verified.err().map(|refusal| refusal.reason)
}

fn v2() -> String {
    sign_v2(KEYS, "GET", HOST, "/awsapi", &[("Action", "A")], Hash::Sha256, NOW)
}

fn get(query: &str) -> Owned {
    Owned::new("GET", "/awsapi", query, &[("Host", HOST)], b"")
}

fn v4(path: &str, service: &str, headers: &[(&str, &str)], body: &[u8]) -> Owned {
    let target = Target { method: "POST", host: HOST, path, query: &[], region: "r", service };
    let sent = sign_v4(KEYS, &target, headers, &body_hash(body), NOW);
    let sent: Vec<_> = sent.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    Owned::new("POST", path, "", &sent, body)
}

#[test]
fn an_unsigned_request_is_nobodys() {
    assert!(get("Action=A").ec2().expect("readable").is_none());
    assert!(Owned::new("GET", "/b/k", "versionId=1", &[], b"").s3().expect("readable").is_none());
    assert!(policy::detect(&[("key".into(), "k".into())]).expect("readable").is_none());
}

#[test]
fn sigv2_is_refused_for_each_fault() {
    let good = v2();
    assert_eq!(reason(get(&good).ec2(), NOW), None);
    for (from, to, wanted) in [
        ("SignatureVersion=2", "SignatureVersion=1", Reason::InvalidParameter),
        ("SignatureVersion=2", "SignatureVersion=0", Reason::InvalidParameter),
        ("&SignatureVersion=2", "", Reason::MissingParameter),
        ("HmacSHA256", "HmacMD5", Reason::InvalidParameter),
        ("HmacSHA256", "HmacSHA1", Reason::Mismatch),
        ("&SignatureMethod=HmacSHA256", "", Reason::MissingParameter),
        ("AWSAccessKeyId=", "Nobody=", Reason::MissingParameter),
        ("&Signature=", "&Nothing=", Reason::MissingParameter),
        ("Action=A", "Action=A&Action=A", Reason::Combination),
        ("Action=A", "Action=A&SecurityToken=t", Reason::SessionToken),
        ("Action=A", "Action=A&Expires=2026-11-21T02%3A00%3A00Z", Reason::Combination),
        ("Timestamp=2026", "Timestamp=MMXX", Reason::InvalidParameter),
        ("Action=A", "Action=%zz", Reason::InvalidParameter),
        ("Action=A", "Action=A&X-Amz-Algorithm=AWS4-HMAC-SHA256", Reason::Combination),
    ] {
        let query = good.replace(from, to);
        assert_ne!(query, good, "{from}");
        assert_eq!(reason(get(&query).ec2(), NOW), Some(wanted), "{to}");
    }
    assert_eq!(reason(get(&good).ec2(), NOW + SKEW_MICROS + 1), Some(Reason::Skewed));
    assert_eq!(reason(get(&good).ec2(), NOW - SKEW_MICROS - 1), Some(Reason::Skewed));
    let mut request = get(&good);
    request.add("Host", HOST);
    assert_eq!(reason(request.ec2(), NOW), Some(Reason::Combination));
    request.headers.remove("host");
    assert_eq!(reason(request.ec2(), NOW), Some(Reason::Malformed));
}

#[test]
fn sigv4_is_refused_for_each_fault() {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let good = v4("/awsapi", "ec2", &form, b"Action=A");
    assert_eq!(reason(good.ec2(), NOW), None);
    let authorization = good.headers["authorization"].to_str().expect("text").to_owned();
    for (from, to, wanted) in [
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", Reason::Malformed),
        ("AWS4-HMAC-SHA256", "Basic", Reason::Malformed),
        ("aws4_request", "aws5_request", Reason::Malformed),
        ("/20261121/", "/20261120/", Reason::Mismatch),
        ("/20261121/r/ec2/aws4_request", "", Reason::Malformed),
        ("/r/", "/s/", Reason::Mismatch),
        ("host;", "", Reason::NotCovered),
        (";x-amz-date", "", Reason::NotCovered),
        ("content-type;host", "host;content-type", Reason::Malformed),
        ("content-type;", "Content-type;", Reason::Malformed),
        ("content-type;", "content-type;etag;", Reason::Mismatch),
        (", Signature=", ", Signature=0, Signature=", Reason::Malformed),
        (", Signature=", ", Sig=", Reason::Malformed),
        (", Signature=", ", ", Reason::Malformed),
    ] {
        let changed = authorization.replace(from, to);
        assert_ne!(changed, authorization, "{from}");
        let mut request = good.clone();
        request.set("authorization", &changed);
        assert_eq!(reason(request.ec2(), NOW), Some(wanted), "{to}");
    }
    let changed = |change: fn(&mut Owned)| {
        let mut request = good.clone();
        change(&mut request);
        reason(request.ec2(), NOW)
    };
    assert_eq!(changed(|r| r.body.push(b'x')), Some(Reason::BodyMismatch));
    assert_eq!(changed(|r| r.set("x-amz-content-sha256", "UNSIGNED-PAYLOAD")), Some(Reason::BodyMismatch));
    assert_eq!(changed(|r| r.set("x-amz-date", "yesterday")), Some(Reason::Malformed));
    assert_eq!(changed(|r| r.add("x-amz-security-token", "t")), Some(Reason::SessionToken));
    assert_eq!(changed(|r| r.query.push_str("Signature=x")), Some(Reason::Combination));
    assert_eq!(changed(|r| r.set("content-type", "text/plain")), Some(Reason::InvalidParameter));
    assert_eq!(reason(good.ec2(), NOW + SKEW_MICROS + 1), Some(Reason::Skewed));
}

#[test]
fn a_presigned_request_ends_when_it_says() {
    let target = Target { method: "GET", host: HOST, path: "/awsapi", query: &[], region: "r", service: "ec2" };
    let good = presign_v4(KEYS, &target, &body_hash(b""), 60, NOW);
    assert_eq!(reason(get(&good).ec2(), NOW + 60_000_000), None);
    assert_eq!(reason(get(&good).ec2(), NOW + 60_000_001), Some(Reason::Expired));
    assert_eq!(reason(get(&good).ec2(), NOW - SKEW_MICROS - 1), Some(Reason::Skewed));
    let long = presign_v4(KEYS, &target, &body_hash(b""), 604_801, NOW);
    assert_eq!(reason(get(&long).ec2(), NOW), Some(Reason::InvalidParameter));
    let token = format!("{good}&X-Amz-Security-Token=t");
    assert_eq!(reason(get(&token).ec2(), NOW), Some(Reason::SessionToken));
}

#[test]
fn a_header_s3_acts_upon_cannot_be_added_on_the_way() {
    let mut request = v4("/b/k", "s3", &[], b"data");
    assert_eq!(reason(request.s3(), NOW), None);
    request.add("x-amz-acl", "public-read");
    assert_eq!(reason(request.s3(), NOW), Some(Reason::NotCovered));
}

#[test]
fn an_s3_body_read_later_is_owed_its_hash() {
    let request = v4("/b/k", "s3", &[], b"data");
    let view = stratus_sigs::Request { body: stratus_sigs::Body::Later, ..request.view() };
    let params = stratus_sigs::Params::default();
    let claim = stratus_sigs::detect_s3(&view, &params, &crate::http_file::MOUNT).expect("readable").expect("signed");
    let verified = claim.verify(KEYS.secret, NOW).expect("good");
    assert!(matches!(verified.payload, stratus_sigs::Payload::Sha256(hash) if hex(&hash) == body_hash(b"data")));
    assert!(stratus_sigs::detect_ec2(&view, &params).is_err());
}

#[test]
fn a_sub_resource_cannot_hide_in_the_value_of_another() {
    let query = |q: &str| format!("AWSAccessKeyId=k&Expires=1795229315&Signature=s&{q}");
    let claim = |q: &str| Owned::new("GET", "/b/k", &query(q), &[], b"").s3();
    assert!(claim("versionId=1%26acl").is_err());
    assert!(claim("response-content-disposition=a%26b").is_ok());
}

#[test]
fn nothing_printed_holds_a_secret_or_a_right_signature() {
    let request = get(&v2());
    let claim = request.ec2().expect("readable").expect("signed");
    let refusal = claim.verify("another secret", NOW).expect_err("a wrong secret");
    for text in [format!("{claim:?}"), format!("{refusal:?} {refusal}")] {
        assert!(!text.contains(claim.signature()) && !text.contains("another secret"), "{text}");
    }
    assert_eq!(claim.verify("", NOW).map(|_| ()).map_err(|r| r.ec2_code()), Err("AuthFailure"));
    let long = get(&format!("{}=%zz", "n\u{1}".repeat(90))).ec2().expect_err("bad").message;
    assert!(long.len() < 160 && !long.contains('\u{1}'), "{long:?}");
}

#[test]
fn a_policy_is_held_to_the_letter() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let read = |json: &str| Policy::parse(&STANDARD.encode(json));
    let policy = read(
        r#"{"expiration":"2026-11-21T03:00:00.000Z","conditions":[{"bucket":"b"},["starts-with","$Key","up/"],
            ["eq","$acl","private"],["content-length-range",2,9],["content-length-range","1",8]]}"#,
    )
    .expect("a policy");
    assert_eq!((policy.expiration(), policy.length().clone()), (NOW + 3_600_000_000, 2..=8));
    let check = |bucket: &str, fields: &[(&str, &str)]| {
        let fields: Vec<_> = fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        policy.check(&Form { fields: &fields, bucket, filename: "f" }).map_err(|r| (r.s3_code(), r.field))
    };
    let good = [("key", "up/${filename}"), ("ACL", "private"), ("Policy", "x"), ("x-ignore-me", "1")];
    assert_eq!(check("b", &good), Ok(()));
    let denied = |field: &str| Err(("AccessDenied", Some(field.to_owned())));
    assert_eq!(check("c", &good), denied("bucket"));
    assert_eq!(check("b", &[("key", "down"), ("acl", "private")]), denied("key"));
    assert_eq!(check("b", &[("key", "up/x")]), denied("acl"));
    assert_eq!(check("b", &[good[0], good[1], ("tagging", "x")]), denied("tagging"));
    for bad in [
        "",
        "{}",
        r#"{"expiration":"2026-11-21T03:00:00Z"}"#,
        r#"{"expiration":"soon","conditions":[]}"#,
        r#"{"expiration":"2026-11-21T03:00:00Z","conditions":[["like","$key","a"]]}"#,
        r#"{"expiration":"2026-11-21T03:00:00Z","conditions":[["eq","key","a"]]}"#,
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
