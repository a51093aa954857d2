//! Errors as SOAP says them.
use crate::Fault;
use crate::door::Answer;
use quick_xml::escape::escape;
use stratus_sigs::soap::SoapVersion;

const AWS: &str = "http://webservices.amazon.com/AWSFault/2005-15-09";

/// A message that cannot be read.
pub fn malformed(why: impl std::fmt::Display) -> Fault {
    Fault::new("InvalidSOAPRequest", format!("The message is no SOAP message: {why}"))
}

/// The answer that a fault is, with its content type. SOAP 1.1 has it as 500 whatever the fault; `status` says otherwise.
pub fn respond_fault(fault: &Fault, version: SoapVersion, request_id: String, status: Option<u16>) -> Answer {
    let of_server = fault.status() >= 500;
    let message = clean(&fault.message);
    // SOAP's own codes are in its own namespace.
    let own = matches!(fault.code.as_str(), "VersionMismatch" | "MustUnderstand");
    let body = match version {
        SoapVersion::Soap11 => {
            let code = match (own, of_server) {
                (true, _) => format!("soapenv:{}", fault.code),
                (false, true) => format!("aws:Server.{}", fault.code),
                (false, false) => format!("aws:Client.{}", fault.code),
            };
            format!(
                "<soapenv:Fault><faultcode>{code}</faultcode><faultstring>{message}</faultstring>\
                 <detail><aws:RequestId>{request_id}</aws:RequestId></detail></soapenv:Fault>"
            )
        }
        SoapVersion::Soap12 => {
            let code = match (own, of_server) {
                (true, _) => format!("<soapenv:Value>soapenv:{}</soapenv:Value>", fault.code),
                (false, server) => format!(
                    "<soapenv:Value>soapenv:{}</soapenv:Value><soapenv:Subcode><soapenv:Value>aws:{}</soapenv:Value></soapenv:Subcode>",
                    if server { "Receiver" } else { "Sender" },
                    fault.code
                ),
            };
            format!(
                "<soapenv:Fault><soapenv:Code>{code}</soapenv:Code><soapenv:Reason><soapenv:Text xml:lang=\"en\">{message}</soapenv:Text>\
                 </soapenv:Reason><soapenv:Detail><aws:RequestId>{request_id}</aws:RequestId></soapenv:Detail></soapenv:Fault>"
            )
        }
    };
    let status = status.unwrap_or(match (version, of_server) {
        (SoapVersion::Soap12, false) => 400,
        _ => 500,
    });
    let open = format!(" xmlns:aws=\"{AWS}\"");
    Answer { status, body: envelope(version, &open, body.as_bytes()), request_id }
}

/// A message around a body.
pub fn envelope(version: SoapVersion, namespaces: &str, inner: &[u8]) -> Vec<u8> {
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"{}\"{namespaces}><soapenv:Body>",
        version.namespace()
    )
    .into_bytes();
    out.extend_from_slice(inner);
    out.extend_from_slice(b"</soapenv:Body></soapenv:Envelope>");
    out
}

/// The content type of a message.
pub const fn content_type(version: SoapVersion) -> &'static str {
    match version {
        SoapVersion::Soap11 => "text/xml;charset=UTF-8",
        SoapVersion::Soap12 => "application/soap+xml;charset=UTF-8",
    }
}

fn clean(text: &str) -> String {
    let legal = |c: char| matches!(c, '\t' | '\n') || (c >= ' ' && c != '\u{fffe}' && c != '\u{ffff}');
    escape(text.chars().map(|c| if legal(c) { c } else { '\u{fffd}' }).collect::<String>()).into_owned()
}
