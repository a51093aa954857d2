//! The parts of a SOAP message.
use super::SECURITY;
use super::xml::{Document, Node};

const SOAP_11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SOAP_12: &str = "http://www.w3.org/2003/05/soap-envelope";

/// Which SOAP a message is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SoapVersion {
    /// 1.1
    Soap11,
    /// 1.2
    Soap12,
}

impl SoapVersion {
    /// The namespace of its envelope.
    #[must_use]
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::Soap11 => SOAP_11,
            Self::Soap12 => SOAP_12,
        }
    }
}

/// Why a document is no message that can be served. The texts may be shown to the sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The outermost element is an Envelope of no SOAP known here.
    #[error("The outermost element is not an Envelope of SOAP 1.1 or 1.2")]
    VersionMismatch,
    /// A header must be understood and is not.
    #[error("The header {0} must be understood and is not")]
    MustUnderstand(String),
    /// The parts are not as they must be.
    #[error("{0}")]
    Malformed(String),
}

/// A message: a document with its parts found.
#[derive(Debug)]
pub struct Envelope {
    /// The document.
    pub document: Document,
    /// Which SOAP it is in.
    pub version: SoapVersion,
    pub(crate) header: Option<Node>,
    pub(crate) body: Node,
    /// The one element in the Body: what is asked for.
    pub operation: Node,
}

impl Envelope {
    /// Finds the parts of a message: at most one Header, then one Body with one element.
    ///
    /// # Errors
    /// See [`Fault`].
    pub fn of(document: Document) -> Result<Self, Fault> {
        let root = document.root();
        let version = match document.namespace(root) {
            SOAP_11 => SoapVersion::Soap11,
            SOAP_12 => SoapVersion::Soap12,
            _ => return Err(Fault::VersionMismatch),
        };
        let namespace = version.namespace();
        if document.name(root) != "Envelope" {
            return Err(Fault::VersionMismatch);
        }
        let parts: Vec<Node> = document.children(root).collect();
        let is = |node: Node, name: &str| document.is(node, namespace, name);
        let (header, body) = match parts[..] {
            [body] if is(body, "Body") => (None, body),
            [header, body] if is(header, "Header") && is(body, "Body") => (Some(header), body),
            _ => return Err(Fault::Malformed("An Envelope holds at most one Header and then one Body".into())),
        };
        let mut asked = document.children(body);
        let (Some(operation), None) = (asked.next(), asked.next()) else {
            return Err(Fault::Malformed("A Body holds one element".into()));
        };
        drop(asked);
        for node in header.into_iter().flat_map(|h| document.children(h)) {
            let must = document.attribute(node, namespace, "mustUnderstand").map(str::trim);
            if matches!(must, Some("1" | "true")) && !document.is(node, SECURITY, "Security") {
                return Err(Fault::MustUnderstand(document.name(node).chars().take(64).collect()));
            }
        }
        Ok(Self { document, version, header, body, operation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Envelope, Fault> {
        Envelope::of(Document::parse(text.replace("NS", SOAP_11).as_bytes()).expect("well-formed"))
    }

    #[test]
    fn a_message_has_one_body_with_one_element() {
        let good = read("<e:Envelope xmlns:e='NS'><e:Header><x/></e:Header><e:Body><y/></e:Body></e:Envelope>").expect("a message");
        assert_eq!((good.version, good.document.name(good.operation)), (SoapVersion::Soap11, "y"));
        for bad in [
            "<e:Envelope xmlns:e='NS'/>",
            "<e:Envelope xmlns:e='NS'><e:Body/></e:Envelope>",
            "<e:Envelope xmlns:e='NS'><e:Body><y/><y/></e:Body></e:Envelope>",
            "<e:Envelope xmlns:e='NS'><e:Body><y/></e:Body><e:Body><y/></e:Body></e:Envelope>",
            "<e:Envelope xmlns:e='NS'><e:Body><y/></e:Body><e:Header/></e:Envelope>",
            "<e:Envelope xmlns:e='NS'><Body><y/></Body></e:Envelope>",
        ] {
            assert!(matches!(read(bad), Err(Fault::Malformed(_))), "{bad}");
        }
        assert_eq!(read("<e:Envelope xmlns:e='other'/>").expect_err("no SOAP"), Fault::VersionMismatch);
        let must = "<e:Envelope xmlns:e='NS'><e:Header><x e:mustUnderstand='1'/></e:Header><e:Body><y/></e:Body></e:Envelope>";
        assert_eq!(read(must).expect_err("not understood"), Fault::MustUnderstand("x".into()));
    }
}
