//! What comes from strangers, bent at random: no parser may panic, and nothing that was changed where it counts may be believed.
//!
//! The captured requests are what is bent; how is said in [`stratus_testkit::fuzz`].

use crate::http_file::Owned;
use crate::vectors::{Vector, all};
use stratus_sigs::soap::{Claim, Document, Envelope};
use stratus_testkit::fuzz::run;

/// What bends well in these formats.
const WORDS: &[&[u8]] = &[
    b"<",
    b">",
    b"</",
    b"/>",
    b"&amp;",
    b"&#x0;",
    b"&x;",
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"<!DOCTYPE a>",
    b"<?x?>",
    b"xmlns=\"\"",
    b" xmlns:a='b'",
    b"\"",
    b"'",
    b"\0",
    b"\xff\xfe",
    b"%",
    b"%zz",
    b"&",
    b"=",
    b"+",
    b"Action=",
    b"Signature=",
    b"Id=\"x\"",
    b"\r\n",
    b"9999999999999999999",
];

fn messages() -> Vec<Vector> {
    all().into_iter().filter(|v| v.auth() == "soap-wsse").collect()
}

#[test]
fn fuzz_the_query_parser() {
    let vectors: Vec<Vector> = all().into_iter().filter(|v| v.auth() != "soap-wsse" && !v.request.is_s3()).collect();
    let texts: Vec<Vec<u8>> = vectors
        .iter()
        .map(|v| if v.request.body.is_empty() { v.request.query.clone().into_bytes() } else { v.request.body.clone() })
        .collect();
    run("query", WORDS, &texts, |text| {
        let form = ("content-type", "application/x-www-form-urlencoded");
        let post = Owned::new("POST", "/awsapi", "", &[("host", "h"), form], text);
        let get = Owned::new("GET", "/awsapi", &String::from_utf8_lossy(text), &[("host", "h")], b"");
        for request in [post, get] {
            let _ = request.ec2().map(|p| p.map(|p| p.verify("secret", 0)));
        }
    });
}

#[test]
fn fuzz_the_soap_parser() {
    let texts: Vec<Vec<u8>> = messages().into_iter().map(|v| v.request.body).collect();
    run("soap", WORDS, &texts, |text| {
        let Ok(document) = Document::parse(text) else { return };
        assert!(document.all().count() <= 50_000);
        let _ = Envelope::of(document).map(|e| Claim::of(&e).is_ok());
    });
}

#[test]
fn fuzz_the_signature_verifier() {
    let good: Vec<Vector> = messages().into_iter().filter(|v| v.text("expect") == Some("accept")).collect();
    let texts: Vec<Vec<u8>> = good.iter().map(|v| v.request.body.clone()).collect();
    // What may be asked for in a believed message: what was asked for in one of those that were bent.
    let asked = |text: &[u8]| {
        let envelope = Envelope::of(Document::parse(text).ok()?).ok()?;
        let claim = Claim::of(&envelope).ok()??;
        let known = crate::soap::registered();
        let believed = good.iter().any(|v| claim.verify(&known.der, v.clock()).is_ok());
        believed.then(|| envelope.document.canonical_text(envelope.operation))
    };
    let known: Vec<Vec<u8>> = texts.iter().map(|t| asked(t).expect("believed")).collect();
    run("verifier", WORDS, &texts, |text| {
        if let Some(operation) = asked(text) {
            assert!(known.contains(&operation), "believed, and never signed: {}", String::from_utf8_lossy(text));
        }
    });
}
