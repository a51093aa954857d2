//! SOAP messages: what clients sent, and what nobody should get away with.

use crate::vectors::all;
use std::path::PathBuf;
use stratus_sigs::soap::sign::{How, Signer};
use stratus_sigs::soap::{Certificate, Claim, Document, Envelope, SoapVersion};
use stratus_sigs::{Reason, Refusal};

/// 2026-11-21T02:00:00Z
const NOW: i64 = 1_795_226_400_000_000;
const MINUTE: i64 = 60_000_000;
const ASK: &str = "<q:DescribeImages xmlns:q=\"http://ec2.amazonaws.com/doc/2012-08-15/\"><q:ownersSet/></q:DescribeImages>";

pub fn registered() -> Certificate {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/wire/soap-user-cert.pem");
    Certificate::from_pem(&std::fs::read_to_string(file).expect("the certificate")).expect("readable")
}

/// All a door does with a message; the name of what it would then carry out.
fn judge(message: &[u8], known: &Certificate, now: i64) -> Result<String, Refusal> {
    let malformed = |why: String| Refusal::new(Reason::Malformed, why);
    let document = Document::parse(message).map_err(|e| malformed(e.to_string()))?;
    let envelope = Envelope::of(document).map_err(|e| malformed(e.to_string()))?;
    let claim = Claim::of(&envelope)?.ok_or_else(Refusal::not_signed)?;
    if claim.fingerprint() != known.fingerprint {
        return Err(Claim::unknown());
    }
    claim.verify(&known.der, now)?;
    Ok(envelope.document.name(envelope.operation).to_owned())
}

fn reason(message: &[u8], known: &Certificate, now: i64) -> Option<Reason> {
    judge(message, known, now).err().map(|refusal| refusal.reason)
}

#[test]
fn every_message_is_judged_as_expected() {
    let known = registered();
    let reasons = [
        ("soap-neg-body-not-signed.http", Reason::NotCovered),
        ("soap-neg-body-tampered.http", Reason::Mismatch),
        ("soap-neg-expired.http", Reason::Expired),
        ("soap-neg-impostor-same-issuer-serial.http", Reason::UnknownKey),
        ("soap-neg-no-timestamp.http", Reason::Malformed),
        ("soap-neg-signature-wrapping-duplicate-id.http", Reason::Malformed),
        ("soap-neg-signature-wrapping-moved-body.http", Reason::NotCovered),
        ("soap-neg-timestamp-not-signed.http", Reason::NotCovered),
        ("zeep-soap-bodyonly-no-timestamp-DescribeImages.http", Reason::Malformed),
    ];
    let mut faults = Vec::new();
    let vectors: Vec<_> = all().into_iter().filter(|v| v.auth() == "soap-wsse").collect();
    assert_eq!(vectors.len(), 14);
    for vector in vectors {
        let expected = reasons.iter().find(|(file, _)| *file == vector.file).map(|(_, reason)| *reason);
        assert_eq!(expected.is_none(), vector.text("expect") == Some("accept"), "{}", vector.file);
        let said = judge(&vector.request.body, &known, vector.clock());
        if said.as_ref().err().map(|refusal| refusal.reason) != expected {
            faults.push(format!("{}: {said:?} instead of {expected:?}", vector.file));
        }
        if let Ok(operation) = said {
            assert!(vector.file.contains(&operation), "{}: {operation}", vector.file);
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_accepted_message_is_refused_out_of_its_time_and_with_any_byte_changed() {
    let known = registered();
    for vector in all().iter().filter(|v| v.auth() == "soap-wsse" && v.text("expect") == Some("accept")) {
        let (body, now) = (&vector.request.body, vector.clock());
        assert_eq!(reason(body, &known, now + 20 * MINUTE), Some(Reason::Expired), "{}", vector.file);
        assert_eq!(reason(body, &known, now - 20 * MINUTE), Some(Reason::Skewed), "{}", vector.file);
        let text = String::from_utf8(body.clone()).expect("text");
        // Every character of the Body and of the Timestamp, one at a time.
        let start = text.find("Body xmlns").or_else(|| text.find("Body wsu")).expect("a Body");
        for at in (start..body.len()).filter(|i| body[*i].is_ascii_alphanumeric()) {
            let mut changed = body.clone();
            changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
            assert!(judge(&changed, &known, now).is_err(), "{}: byte {at}", vector.file);
        }
    }
}

#[test]
fn what_is_signed_here_is_believed_in_every_form() {
    let signer = Signer::new("u", NOW - MINUTE, NOW + 60 * MINUTE);
    for sha256 in [false, true] {
        for inclusive in ["", "e o", "#default u none"] {
            for version in [SoapVersion::Soap11, SoapVersion::Soap12] {
                let how = How { sha256, inclusive, version, ..How::default() };
                let message = signer.message(ASK, NOW, how);
                assert_eq!(judge(&message, &signer.certificate, NOW).expect("believed"), "DescribeImages", "{sha256} {inclusive}");
            }
        }
    }
    let padded = format!("<!-- a comment -->{}", String::from_utf8(signer.message(ASK, NOW, How::default())).expect("text"));
    assert!(judge(padded.as_bytes(), &signer.certificate, NOW).is_ok(), "what is outside the signature and says nothing");
}

#[test]
fn times_and_certificates_out_of_bounds_are_refused() {
    let signer = Signer::new("u", NOW, NOW + 60 * MINUTE);
    let known = &signer.certificate;
    let at = |now: i64, life: i64| signer.message(ASK, now, How { life, ..How::default() });
    assert_eq!(reason(&at(NOW, 15 * MINUTE), known, NOW), None);
    assert_eq!(reason(&at(NOW, 15 * MINUTE + 1_000_000), known, NOW), Some(Reason::InvalidParameter));
    assert_eq!(reason(&at(NOW, 0), known, NOW), Some(Reason::InvalidParameter));
    assert_eq!(reason(&at(NOW, 5 * MINUTE), known, NOW + 5 * MINUTE), Some(Reason::Expired));
    assert_eq!(reason(&at(NOW + 5 * MINUTE, MINUTE), known, NOW), None);
    assert_eq!(reason(&at(NOW + 5 * MINUTE + 1_000_000, MINUTE), known, NOW), Some(Reason::Skewed));
    assert_eq!(reason(&at(NOW - MINUTE, 5 * MINUTE), known, NOW - 1), Some(Reason::UnknownKey), "not valid yet");
    assert_eq!(reason(&at(NOW + 61 * MINUTE, MINUTE), known, NOW + 61 * MINUTE), Some(Reason::UnknownKey), "not valid any more");
}

#[test]
fn attacks_are_refused() {
    let signer = Signer::new("u", NOW, NOW + 60 * MINUTE);
    let known = &signer.certificate;
    let good = String::from_utf8(signer.message(ASK, NOW, How::default())).expect("text");
    let security = &good[good.find("<o:Security").expect("there")..good.find("</e:Header>").expect("there")];
    let signature = &good[good.find("<ds:Signature ").expect("there")..good.find("</o:Security>").expect("there")];
    let evil = ASK.replace("DescribeImages", "TerminateInstances");
    let body = format!("<e:Body u:Id=\"body\">{ASK}</e:Body>");
    let swap = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replace(from, to)
    };
    let attacks = [
        ("no signature", swap(security, "")),
        ("a document type", format!("<!DOCTYPE x [<!ENTITY e 'x'>]>{good}")),
        ("another operation", swap(ASK, &evil)),
        (
            "a wrapped body",
            swap(&body, &format!("<e:Body u:Id=\"other\">{evil}</e:Body>")).replace("</e:Header>", &format!("<w>{body}</w></e:Header>")),
        ),
        (
            "a wrapped body, its id twice",
            swap(&body, &format!("<e:Body u:Id=\"body\">{evil}</e:Body>")).replace("</e:Header>", &format!("<w>{body}</w></e:Header>")),
        ),
        ("an id that counts in another spelling", swap("<e:Body u:Id", "<e:Body ID=\"body\" u:Id")),
        ("two operations", swap(ASK, &format!("{ASK}{evil}"))),
        ("two bodies", swap("</e:Envelope>", &format!("<e:Body>{evil}</e:Body></e:Envelope>"))),
        ("two Security headers", swap("</e:Header>", &format!("{}</e:Header>", security.replace("u:Id", "Id2")))),
        ("a second signature that is none", swap(signature, &format!("{signature}{}", changed(signature)))),
        ("a second token that is signed with", swap(signature, &format!("{signature}{}", signature.replace("#token", "#body")))),
        (
            "a stale Timestamp beside",
            swap(
                "<u:Timestamp u:Id",
                "<u:Timestamp><u:Created>2020-01-01T00:00:00Z</u:Created><u:Expires>2020-01-01T00:05:00Z</u:Expires></u:Timestamp><u:Timestamp u:Id",
            ),
        ),
        ("a signature elsewhere", swap("</o:Security>", &format!("</o:Security>{signature}"))),
        ("a Timestamp elsewhere", swap("</o:Security>", "</o:Security><u:Timestamp/>")),
        ("an Object in the signature", swap("</ds:KeyInfo>", "</ds:KeyInfo><ds:Object/>")),
        (
            "no transforms",
            swap("<ds:Transforms>", "<ds:Transforms><ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"/>"),
        ),
        ("inclusive canonical form", swap("http://www.w3.org/2001/10/xml-exc-c14n#", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315")),
        ("an outside reference", swap("URI=\"#body\"", "URI=\"http://evil/\"")),
        ("the whole document", swap("URI=\"#body\"", "URI=\"\"")),
        ("an hmac", swap("xmldsig#rsa-sha1", "xmldsig#hmac-sha1")),
        ("a token of another kind", swap("<o:BinarySecurityToken ", "<o:BinarySecurityToken ValueType=\"x\" ")),
        ("a key that is not the token's", swap("URI=\"#token\"", "URI=\"#time\"")),
        ("a later end", swap("<u:Expires>2026-11-21T02:05", "<u:Expires>2026-11-21T02:06")),
    ];
    for (name, message) in attacks {
        let said = judge(message.as_bytes(), known, NOW);
        assert!(said.is_err(), "{name}: {said:?}");
    }
    // Another's own good message, and the same with our token put in.
    let other = Signer::new("u", NOW, NOW + 60 * MINUTE);
    let theirs = other.message(ASK, NOW, How::default());
    assert_eq!(reason(&theirs, known, NOW), Some(Reason::UnknownKey));
    let (ours, others) = (pem_line(known), pem_line(&other.certificate));
    let forged = String::from_utf8(theirs).expect("text").replace(&others, &ours);
    assert_eq!(reason(forged.as_bytes(), known, NOW), Some(Reason::Mismatch));
}

/// The signature with one character of its value changed.
fn changed(signature: &str) -> String {
    let at = signature.find("<ds:SignatureValue>").expect("there") + 24;
    let other = if signature.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &signature[..at], &signature[at + 1..])
}

#[test]
fn a_message_signed_twice_is_believed_and_neither_signature_is_good_again() {
    let signer = Signer::new("u", NOW, NOW + 60 * MINUTE);
    let good = String::from_utf8(signer.message(ASK, NOW, How::default())).expect("text");
    let signature = &good[good.find("<ds:Signature ").expect("there")..good.find("</o:Security>").expect("there")];
    let twice = good.replace(signature, &format!("{signature}{signature}"));
    assert!(judge(twice.as_bytes(), &signer.certificate, NOW).is_ok());
    let keys = |text: &str| {
        let envelope = Envelope::of(Document::parse(text.as_bytes()).expect("well-formed")).expect("a message");
        Claim::of(&envelope).expect("readable").expect("signed").replay_keys()
    };
    assert_eq!(keys(&twice), keys(&good), "to take one away makes no new message");
}

fn pem_line(certificate: &Certificate) -> String {
    certificate.to_pem().lines().filter(|l| !l.starts_with("-----")).collect()
}

#[test]
fn certificates_are_read_and_rubbish_is_not() {
    let signer = Signer::new("someone", NOW, NOW + 60 * MINUTE);
    let pem = signer.certificate.to_pem();
    let again = Certificate::from_pem(&pem).expect("its own PEM");
    assert_eq!((again.fingerprint.as_str(), again.subject.as_str()), (signer.certificate.fingerprint.as_str(), "CN=someone"));
    assert_eq!((again.not_before, again.not_after, again.serial.as_str()), (NOW, NOW + 60 * MINUTE, "01"));
    assert!(Certificate::from_pem(&pem_line(&again)).is_ok(), "without its first and last line");
    let key = pem.replace("CERTIFICATE", "PRIVATE KEY");
    for bad in ["", "x", "-----BEGIN CERTIFICATE-----", "AAAA", &pem[..pem.len() / 2], &format!("{pem}{pem}"), &format!("{pem}{key}")] {
        assert!(Certificate::from_pem(bad).is_err(), "{bad}");
    }
}
