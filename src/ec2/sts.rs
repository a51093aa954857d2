//! STS answers at the same port: `GetCallerIdentity`, which SDKs, Terraform and Ansible ask first. Its documents have a result element,
//! `ResponseMetadata` and a namespace of their own.
use crate::door::Answer;
use crate::tree::{self, Node, Tag};
use crate::{Fault, Names};

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// The document of an answer whose fields begin with EC2's `requestId`.
pub(crate) fn document(action: &str, mut fields: Vec<(Tag, Node)>, request_id: &str) -> Vec<u8> {
    fields.retain(|(name, _)| name != "requestId");
    let metadata = Node::Fields(vec![tree::text("RequestId", request_id)]);
    let all = vec![(Tag::Owned(format!("{action}Result")), Node::Fields(fields)), ("ResponseMetadata".into(), metadata)];
    tree::document(&format!("{action}Response"), Some(NAMESPACE), &all, &Names::default())
}

/// An error as STS words it.
pub(crate) fn fault_answer(fault: &Fault, request_id: String) -> Answer {
    let kind = if fault.status() >= 500 { "Receiver" } else { "Sender" };
    let error = vec![tree::text("Type", kind), tree::text("Code", &fault.code), tree::text("Message", &fault.message)];
    let all = vec![("Error".into(), Node::Fields(error)), tree::text("RequestId", &request_id)];
    Answer { status: fault.status(), body: tree::document("ErrorResponse", Some(NAMESPACE), &all, &Names::default()), request_id }
}
