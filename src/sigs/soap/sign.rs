//! Signing of messages, for tests and fuzzing: what the verifier believes must be possible to make.
use super::c14n::canonical;
use super::certificate::Hash;
use super::xml::{Document, Node};
use super::{Certificate, DSIG, SECURITY, SoapVersion, UTILITY};
use crate::clock::to_extended;
use base64::{Engine, engine::general_purpose::STANDARD};
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::EncodePublicKey;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use sha1::Sha1;
use sha2::Sha256;
use std::time::Duration;
use x509_cert::builder::{Builder, CertificateBuilder, Profile};
use x509_cert::der::{Decode, Encode};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::SubjectPublicKeyInfoOwned;
use x509_cert::time::{Time, Validity};

/// A key with a certificate that it signed itself.
pub struct Signer {
    key: RsaPrivateKey,
    /// The certificate.
    pub certificate: Certificate,
}

/// How a message is signed; the parts that attacks leave out or change.
#[derive(Clone, Copy)]
pub struct How {
    /// RSA with SHA-256 instead of SHA-1.
    pub sha256: bool,
    /// Prefixes for a list of inclusive namespaces.
    pub inclusive: &'static str,
    /// From Created to Expires, in microseconds.
    pub life: i64,
    /// Which SOAP.
    pub version: SoapVersion,
}

impl Default for How {
    fn default() -> Self {
        Self { sha256: false, inclusive: "", life: 300_000_000, version: SoapVersion::Soap11 }
    }
}

impl Signer {
    /// A key of 1024 bits and its certificate, good between two times (microseconds since the epoch, 1970 to 2049).
    ///
    /// # Panics
    /// On times that a certificate cannot hold: it is for tests.
    #[must_use]
    pub fn new(name: &str, not_before: i64, not_after: i64) -> Self {
        let key = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 1024).expect("a key");
        let time = |micros: i64| {
            let since = Duration::from_micros(u64::try_from(micros).expect("after 1970"));
            Time::UtcTime(x509_cert::der::asn1::UtcTime::from_unix_duration(since).expect("before 2050"))
        };
        let public = key.to_public_key().to_public_key_der().expect("a public key");
        let public = SubjectPublicKeyInfoOwned::from_der(public.as_bytes()).expect("a public key");
        let subject = format!("CN={name}").parse().expect("a name");
        let validity = Validity { not_before: time(not_before), not_after: time(not_after) };
        let signing = SigningKey::<Sha256>::new(key.clone());
        let builder = CertificateBuilder::new(Profile::Root, SerialNumber::from(1_u32), validity, subject, public, &signing);
        let made = builder.expect("a certificate").build::<rsa::pkcs1v15::Signature>().expect("a certificate");
        let certificate = Certificate::from_der(made.to_der().expect("bytes")).expect("readable");
        Self { key, certificate }
    }

    /// A signed message that asks with an operation's element.
    ///
    /// # Panics
    /// When the operation is not well-formed: it is for tests.
    #[must_use]
    pub fn message(&self, operation: &str, now: i64, how: How) -> Vec<u8> {
        let (digest, algorithm, hash) = match how.sha256 {
            true => ("http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", Hash::Sha256),
            false => ("http://www.w3.org/2000/09/xmldsig#sha1", "http://www.w3.org/2000/09/xmldsig#rsa-sha1", Hash::Sha1),
        };
        let list = match how.inclusive {
            "" => String::new(),
            prefixes => format!("<x:InclusiveNamespaces xmlns:x=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"{prefixes}\"/>"),
        };
        let method = |name: &str| format!("<ds:{name} Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\">{list}</ds:{name}>");
        let reference = |id: &str| {
            let transform = method("Transform");
            format!(
                "<ds:Reference URI=\"#{id}\"><ds:Transforms>{transform}</ds:Transforms><ds:DigestMethod Algorithm=\"{digest}\"/>\
                 <ds:DigestValue>DIGEST-{id}</ds:DigestValue></ds:Reference>"
            )
        };
        let text = format!(
            "<e:Envelope xmlns:e=\"{soap}\" xmlns:o=\"{SECURITY}\" xmlns:u=\"{UTILITY}\"><e:Header><o:Security e:mustUnderstand=\"1\">\
             <o:BinarySecurityToken u:Id=\"token\">{token}</o:BinarySecurityToken><u:Timestamp u:Id=\"time\"><u:Created>{created}</u:Created>\
             <u:Expires>{expires}</u:Expires></u:Timestamp><ds:Signature xmlns:ds=\"{DSIG}\"><ds:SignedInfo>{method}\
             <ds:SignatureMethod Algorithm=\"{algorithm}\"/>{body}{time}</ds:SignedInfo><ds:SignatureValue>VALUE</ds:SignatureValue><ds:KeyInfo>\
             <o:SecurityTokenReference><o:Reference URI=\"#token\"/></o:SecurityTokenReference></ds:KeyInfo></ds:Signature></o:Security>\
             </e:Header><e:Body u:Id=\"body\">{operation}</e:Body></e:Envelope>",
            soap = how.version.namespace(),
            token = STANDARD.encode(&self.certificate.der),
            created = to_extended(now),
            expires = to_extended(now + how.life),
            method = method("CanonicalizationMethod"),
            body = reference("body"),
            time = reference("time"),
        );
        let prefixes: Vec<&str> = how.inclusive.split_ascii_whitespace().map(|p| if p == "#default" { "" } else { p }).collect();
        let form = |text: &str, is: &dyn Fn(&Document, Node) -> bool| {
            let document = Document::parse(text.as_bytes()).expect("well-formed");
            let node = document.all().find(|n| is(&document, *n)).expect("the element");
            canonical(&document, node, &prefixes)
        };
        let with_id = |id: &'static str| move |d: &Document, n: Node| d.attribute(n, UTILITY, "Id") == Some(id);
        let mut text = text;
        for id in ["body", "time"] {
            let value = STANDARD.encode(hash.digest(&form(&text, &with_id(id))));
            text = text.replacen(&format!("DIGEST-{id}"), &value, 1);
        }
        let signed = hash.digest(&form(&text, &|d, n| d.is(n, DSIG, "SignedInfo")));
        let scheme = if how.sha256 { Pkcs1v15Sign::new::<Sha256>() } else { Pkcs1v15Sign::new::<Sha1>() };
        let value = STANDARD.encode(self.key.sign(scheme, &signed).expect("a signature"));
        text.replacen("VALUE", &value, 1).into_bytes()
    }
}
