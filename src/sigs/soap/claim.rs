//! Who says to have signed a message, and the check of it.
use super::c14n::canonical;
use super::certificate::{Certificate, Hash};
use super::xml::{Document, Node};
use super::{DSIG, Envelope, SECURITY, UTILITY};
use crate::clock;
use crate::crypto::{sha256, sha256_hex};
use crate::refusal::{Reason, Refusal};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::collections::HashMap;
use std::fmt;

/// The longest life of a message, in microseconds: Expires less Created.
pub const MOST_LIFE_MICROS: i64 = 15 * 60 * 1_000_000;
/// How far Created may lie in the future, for clocks that differ.
const AHEAD: i64 = 5 * 60 * 1_000_000;
/// The most references of a signature, and prefixes of a list.
const MOST: usize = 16;
/// The most signatures, tokens and Timestamps of a header. One is what a client sends; two is what zeep's `create_message` and a signature
/// applied to its message once more make together. Each must cover the Body and a Timestamp, all of one certificate, and each is checked.
const FEW: usize = 2;

const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const TOKEN: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3";
const BASE64: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary";
const METHODS: &[(&str, Hash)] =
    &[("http://www.w3.org/2000/09/xmldsig#rsa-sha1", Hash::Sha1), ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", Hash::Sha256)];
const DIGESTS: &[(&str, Hash)] =
    &[("http://www.w3.org/2000/09/xmldsig#sha1", Hash::Sha1), ("http://www.w3.org/2001/04/xmlenc#sha256", Hash::Sha256)];

/// A message's claim to come from the holder of a certificate's key. Not believed before [`Claim::verify`] says so.
pub struct Claim {
    token: Vec<u8>,
    signatures: Vec<Signature>,
    /// Created and Expires of every Timestamp.
    lives: Vec<(i64, i64)>,
}

struct Signature {
    signed: Vec<u8>,
    hash: Hash,
    value: Vec<u8>,
}

/// The parts of the Security header that a claim is read from.
struct Parts<'d> {
    document: &'d Document,
    ids: HashMap<&'d str, Node>,
}

impl Claim {
    /// Reads the claim; `None` when the message has no Security header. The Body that the message asks with and a Timestamp of the
    /// Security header are then known to be covered by each signature, whosoever's it is.
    ///
    /// # Errors
    /// Everything that is wrong whatever the key.
    pub fn of(envelope: &Envelope) -> Result<Option<Self>, Refusal> {
        let document = &envelope.document;
        if !document.all().any(|n| document.is(n, SECURITY, "Security")) {
            return Ok(None);
        }
        let parts = Parts { document, ids: ids(document)? };
        let header = envelope.header.ok_or_else(|| malformed("the Security header stands outside the Header"))?;
        let security = parts.one(header, SECURITY, "Security")?;
        parts.nowhere_else(&[security], SECURITY, "Security")?;
        let tokens = parts.some(security, SECURITY, "BinarySecurityToken")?;
        let timestamps = parts.some(security, UTILITY, "Timestamp")?;
        let mut sent: Option<Vec<u8>> = None;
        let mut signatures = Vec::new();
        for signature in parts.some(security, DSIG, "Signature")? {
            let token = parts.token(parts.key(signature, &tokens)?)?;
            if sent.get_or_insert_with(|| token.clone()) != &token {
                return Err(malformed("signatures of several certificates"));
            }
            let signed_info = parts.one(signature, DSIG, "SignedInfo")?;
            let covered = parts.references(signed_info)?;
            for (name, there) in [("Body", covered.contains(&envelope.body)), ("Timestamp", timestamps.iter().any(|t| covered.contains(t)))]
            {
                if !there {
                    return Err(Refusal::of(Reason::NotCovered, name, "not covered by the signature"));
                }
            }
            let method = parts.one(signed_info, DSIG, "CanonicalizationMethod")?;
            signatures.push(Signature {
                signed: canonical(document, signed_info, &parts.exclusive(method)?),
                hash: parts.algorithm(parts.one(signed_info, DSIG, "SignatureMethod")?, METHODS)?,
                value: parts.base64(parts.one(signature, DSIG, "SignatureValue")?)?,
            });
        }
        let lives = timestamps.into_iter().map(|t| parts.life(t)).collect::<Result<_, _>>()?;
        Ok(Some(Self { token: sent.unwrap_or_default(), signatures, lives }))
    }

    /// SHA-256 of the certificate that was sent, in lower-case hexadecimal: by it the door finds the registered one.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        sha256_hex(&self.token)
    }

    /// What keys a replay cache until [`Claim::good_until`]: hashes of the signatures' bytes, which have one form only. A message is
    /// new when none of them came before.
    #[must_use]
    pub fn replay_keys(&self) -> Vec<[u8; 32]> {
        let mut keys: Vec<_> = self.signatures.iter().map(|s| sha256(&s.value)).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// The moment from which no part of the message is taken any more, in microseconds since the epoch.
    #[must_use]
    pub fn good_until(&self) -> i64 {
        self.lives.iter().map(|(_, expires)| *expires).max().unwrap_or_default()
    }

    /// Checks the claim against the bytes of a registered certificate and the clock (microseconds since the epoch).
    ///
    /// # Errors
    /// [`Reason::UnknownKey`] when the certificate sent is not that one, or it is not good now; [`Reason::Expired`] or
    /// [`Reason::Skewed`] out of time; [`Reason::Mismatch`] when a signature is not that of its key.
    pub fn verify(&self, registered: &[u8], now: i64) -> Result<(), Refusal> {
        if registered != self.token || self.signatures.is_empty() || self.lives.is_empty() {
            return Err(Self::unknown());
        }
        let certificate = Certificate::from_der(registered.to_vec()).map_err(|_| Self::unknown())?;
        for (created, expires) in &self.lives {
            if expires.saturating_sub(*created) > MOST_LIFE_MICROS || expires <= created {
                return Err(Refusal::of(Reason::InvalidParameter, "Timestamp", "Expires must lie after Created, by at most 15 minutes"));
            }
            if *created > now.saturating_add(AHEAD) {
                return Err(Refusal::new(Reason::Skewed, "The message's time lies in the future; check the clock"));
            }
            if *expires <= now {
                return Err(Refusal::new(Reason::Expired, "The message has expired; check the clock and sign again"));
            }
        }
        for signature in &self.signatures {
            certificate.verify(signature.hash, &signature.signed, &signature.value)?;
        }
        if !certificate.is_valid_at(now) {
            return Err(Refusal::new(Reason::UnknownKey, "The certificate is not valid now; register another"));
        }
        Ok(())
    }

    /// The refusal of a certificate that nobody registered, or whose user may not act.
    #[must_use]
    pub fn unknown() -> Refusal {
        Refusal::new(Reason::UnknownKey, "The certificate is not registered here")
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The signature would let a reader of the log send the message again.
        f.debug_struct("Claim").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

fn malformed(why: impl fmt::Display) -> Refusal {
    Refusal::of(Reason::Malformed, "Security", why)
}

/// Every id of the document; one that stands twice ends it.
fn ids(document: &Document) -> Result<HashMap<&str, Node>, Refusal> {
    let mut ids = HashMap::new();
    for node in document.all() {
        for attribute in document.get(node).attributes.iter().filter(|a| a.local.eq_ignore_ascii_case("id")) {
            if ids.insert(attribute.value.as_str(), node).is_some() {
                return Err(malformed("the same Id stands twice"));
            }
        }
    }
    Ok(ids)
}

impl<'d> Parts<'d> {
    /// The one child of this name.
    fn one(&self, parent: Node, namespace: &str, name: &str) -> Result<Node, Refusal> {
        let mut found = self.document.children(parent).filter(|n| self.document.is(*n, namespace, name));
        match (found.next(), found.next()) {
            (Some(node), None) => Ok(node),
            (None, _) => Err(malformed(format!("no {name} in {}", self.document.name(parent)))),
            (Some(_), Some(_)) => Err(malformed(format!("more than one {name} in {}", self.document.name(parent)))),
        }
    }

    /// The children of this name, of which there is at least one and not many, and nowhere else any.
    fn some(&self, parent: Node, namespace: &str, name: &str) -> Result<Vec<Node>, Refusal> {
        let found: Vec<Node> = self.document.children(parent).filter(|n| self.document.is(*n, namespace, name)).collect();
        if found.is_empty() || found.len() > FEW {
            return Err(malformed(format!("{} {name} in {}", found.len(), self.document.name(parent))));
        }
        self.nowhere_else(&found, namespace, name)?;
        Ok(found)
    }

    fn nowhere_else(&self, found: &[Node], namespace: &str, name: &str) -> Result<(), Refusal> {
        match self.document.all().any(|n| self.document.is(n, namespace, name) && !found.contains(&n)) {
            true => Err(malformed(format!("{name} in more than one place"))),
            false => Ok(()),
        }
    }

    fn own(&self, node: Node, name: &str) -> Result<&'d str, Refusal> {
        self.document.attribute(node, "", name).ok_or_else(|| malformed(format!("{} has no {name}", self.document.name(node))))
    }

    /// The element that `#id` points to.
    fn pointed(&self, uri: &str) -> Result<Node, Refusal> {
        let id = uri.strip_prefix('#').filter(|id| !id.is_empty());
        id.and_then(|id| self.ids.get(id).copied()).ok_or_else(|| malformed("a reference that points to nothing in the message"))
    }

    fn algorithm<T: Copy>(&self, node: Node, known: &[(&str, T)]) -> Result<T, Refusal> {
        let given = self.own(node, "Algorithm")?;
        let found = known.iter().find(|(name, _)| *name == given);
        found.map(|(_, t)| *t).ok_or_else(|| malformed(format!("an Algorithm of {} that is not taken", self.document.name(node))))
    }

    fn base64(&self, node: Node) -> Result<Vec<u8>, Refusal> {
        let dense: String = self.document.text(node).chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let nothing_below = self.document.children(node).next().is_none();
        let bytes = STANDARD.decode(dense).ok().filter(|bytes| nothing_below && !bytes.is_empty());
        bytes.ok_or_else(|| malformed(format!("{} is not base64", self.document.name(node))))
    }

    fn token(&self, node: Node) -> Result<Vec<u8>, Refusal> {
        let is = |name: &str, wanted: &str| self.document.attribute(node, "", name).is_none_or(|given| given == wanted);
        if !is("ValueType", TOKEN) || !is("EncodingType", BASE64) {
            return Err(malformed("the token is not an X.509 certificate in base64"));
        }
        self.base64(node)
    }

    /// The token that the KeyInfo points to.
    fn key(&self, signature: Node, tokens: &[Node]) -> Result<Node, Refusal> {
        for child in self.document.children(signature) {
            if !["SignedInfo", "SignatureValue", "KeyInfo"].contains(&self.document.name(child)) {
                return Err(malformed(format!("{} in a Signature", self.document.name(child))));
            }
        }
        let info = self.one(signature, DSIG, "KeyInfo")?;
        let reference = self.one(info, SECURITY, "SecurityTokenReference")?;
        let reference = self.one(reference, SECURITY, "Reference")?;
        let token = self.pointed(self.own(reference, "URI")?)?;
        if self.document.children(info).count() != 1 || !tokens.contains(&token) {
            return Err(malformed("the KeyInfo does not point to a token of the Security header"));
        }
        Ok(token)
    }

    /// Exclusive canonical XML, with its list of prefixes.
    fn exclusive(&self, node: Node) -> Result<Vec<&'d str>, Refusal> {
        self.algorithm(node, &[(EXCLUSIVE, ())])?;
        let mut below = self.document.children(node);
        let list = match (below.next(), below.next()) {
            (None, _) => return Ok(Vec::new()),
            (Some(list), None) if self.document.is(list, EXCLUSIVE, "InclusiveNamespaces") => self.own(list, "PrefixList")?,
            _ => return Err(malformed(format!("{} holds what is not taken", self.document.name(node)))),
        };
        let prefixes: Vec<&str> = list.split_ascii_whitespace().map(|p| if p == "#default" { "" } else { p }).collect();
        if prefixes.len() > MOST { Err(malformed("a PrefixList that is too long")) } else { Ok(prefixes) }
    }

    /// The elements that the signature covers, each with the digest that was signed.
    fn references(&self, signed_info: Node) -> Result<Vec<Node>, Refusal> {
        let mut covered = Vec::new();
        for node in self.document.children(signed_info).filter(|n| self.document.is(*n, DSIG, "Reference")) {
            if covered.len() >= MOST {
                return Err(malformed("too many References"));
            }
            let target = self.pointed(self.own(node, "URI")?)?;
            let transforms = self.one(node, DSIG, "Transforms")?;
            let transform = self.one(transforms, DSIG, "Transform")?;
            if self.document.children(transforms).count() != 1 {
                return Err(malformed("a Transform that is not taken"));
            }
            let hash = self.algorithm(self.one(node, DSIG, "DigestMethod")?, DIGESTS)?;
            let wanted = self.base64(self.one(node, DSIG, "DigestValue")?)?;
            if hash.digest(&canonical(self.document, target, &self.exclusive(transform)?)) != wanted {
                let why = format!("{} is not as it was signed", self.document.name(target));
                return Err(Refusal::new(Reason::Mismatch, why));
            }
            covered.push(target);
        }
        Ok(covered)
    }

    /// Created and Expires.
    fn life(&self, timestamp: Node) -> Result<(i64, i64), Refusal> {
        let time = |name: &str| {
            let text = self.document.text(self.one(timestamp, UTILITY, name)?);
            clock::extended(text.trim()).ok_or_else(|| Refusal::of(Reason::InvalidParameter, name, "not a time"))
        };
        Ok((time("Created")?, time("Expires")?))
    }
}
