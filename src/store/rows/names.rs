use crate::{Text, table};

table! {
    /// A tag on a resource.
    Tag in "tag" {
        uuid: String, resource_type: String, resource_id: i64, resource_uuid: String, tag_key: String, tag_value: Text,
        account_id: i64, domain_id: i64, customer: Option<String>, created: i64,
    }
}
table! {
    /// A detail of a resource: like a tag, but its owner's administrator's.
    Detail in "detail" { resource_type: String, resource_id: i64, resource_uuid: String, name: String, content: Text, display: bool }
}
table! {
    /// An id that the AWS doors gave to a thing.
    Ec2Id in "ec2_id" {
        ec2_id: String,
        /// The prefix: `i`, `vol`, `ami` …
        kind: String,
        uuid: String, account_id: Option<i64>, created: i64, removed: Option<i64>,
    }
}
table! {
    /// What a client of the AWS doors said of a thing and no native column holds: `disableApiTermination` of an instance.
    Ec2Attribute in "ec2_attribute" {
        /// The prefix: `i`, `vol`, `ami` …
        kind: String,
        uuid: String, name: String, content: Text,
    }
}
table! {
    /// A client token that made something: repeating the call gives the same answer.
    ClientToken in "client_token" { account_id: i64, action: String, token: String, request_hash: String, answer: Option<Text>, created: i64 }
}
table! {
    /// A SOAP message that was carried out, by the SHA-256 of its signature: it is not taken again while it would be good.
    SoapSeen in "soap_seen" { digest: String, good_until: i64 }
}
table! {
    /// An instance type of EC2 that stands for a service offering of another name.
    Ec2Offering in "ec2_offering" { name: String, service_offering_id: i64, created: i64 }
}
