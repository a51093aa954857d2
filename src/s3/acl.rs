//! Access control lists: canned ones, grants in headers and documents, and what they let whom do.
use crate::request::Request;
use crate::text::{canonical, of_canonical};
use crate::xml::{Element, Xml};
use crate::{Door, Fault, Outcome};
use serde::{Deserialize, Serialize};
use stratus_model::Caller;

const GROUPS: &str = "http://acs.amazonaws.com/groups/";
const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
const LOG_DELIVERY: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";
const MOST_GRANTS: usize = 100;

/// Who is granted something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grantee {
    /// An account, by uuid.
    #[serde(rename = "a")]
    Account(String),
    /// Everybody.
    #[serde(rename = "all")]
    AllUsers,
    /// Everybody who signs.
    #[serde(rename = "auth")]
    Authenticated,
    /// Whoever delivers logs: kept, and grants nothing, since nobody does here.
    #[serde(rename = "log")]
    LogDelivery,
}

/// What is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "S3's words")]
pub enum Permission {
    Read,
    Write,
    ReadAcp,
    WriteAcp,
    FullControl,
}

impl Permission {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Read, "READ"),
        (Self::Write, "WRITE"),
        (Self::ReadAcp, "READ_ACP"),
        (Self::WriteAcp, "WRITE_ACP"),
        (Self::FullControl, "FULL_CONTROL"),
    ];
    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(p, _)| *p == self).map_or("", |(_, w)| w)
    }
    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, w)| *w == word).map(|(p, _)| *p)
    }
}

/// One grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// To whom.
    #[serde(rename = "w")]
    pub who: Grantee,
    /// What.
    #[serde(rename = "p")]
    pub may: Permission,
}

/// A list of grants. The owner may do everything, listed or not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Acl(pub Vec<Grant>);

impl Acl {
    /// From the store.
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
    /// To the store.
    pub fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "[]".into())
    }

    /// Whether the list lets this caller.
    pub fn lets(&self, who: Option<&Caller>, may: Permission) -> bool {
        self.0.iter().any(|g| {
            let fits = match &g.who {
                Grantee::Account(uuid) => who.is_some_and(|c| c.account_uuid == *uuid),
                Grantee::AllUsers => true,
                Grantee::Authenticated => who.is_some(),
                Grantee::LogDelivery => false,
            };
            fits && (g.may == may || g.may == Permission::FullControl)
        })
    }

    /// A canned list.
    pub fn canned(name: &str, owner: &str, bucket_owner: &str) -> Outcome<Self> {
        let account = |uuid: &str, may| Grant { who: Grantee::Account(uuid.to_owned()), may };
        let mut grants = vec![account(owner, Permission::FullControl)];
        match name {
            "private" => {}
            "public-read" => grants.push(Grant { who: Grantee::AllUsers, may: Permission::Read }),
            "public-read-write" => {
                grants.push(Grant { who: Grantee::AllUsers, may: Permission::Read });
                grants.push(Grant { who: Grantee::AllUsers, may: Permission::Write });
            }
            "authenticated-read" => grants.push(Grant { who: Grantee::Authenticated, may: Permission::Read }),
            "bucket-owner-read" if owner != bucket_owner => grants.push(account(bucket_owner, Permission::Read)),
            "bucket-owner-full-control" if owner != bucket_owner => grants.push(account(bucket_owner, Permission::FullControl)),
            "bucket-owner-read" | "bucket-owner-full-control" => {}
            "log-delivery-write" => {
                grants.push(Grant { who: Grantee::LogDelivery, may: Permission::Write });
                grants.push(Grant { who: Grantee::LogDelivery, may: Permission::ReadAcp });
            }
            _ => return Err(Fault::argument("x-amz-acl", name, "not a canned ACL")),
        }
        Ok(Self(grants))
    }

    /// The list that a request's headers ask for; private when they ask for none.
    pub async fn of_headers(door: &Door, request: &Request, owner: &str, bucket_owner: &str) -> Outcome<(Self, bool)> {
        let canned = request.header("x-amz-acl");
        let mut grants = Vec::new();
        let headers = [
            ("x-amz-grant-read", Permission::Read),
            ("x-amz-grant-write", Permission::Write),
            ("x-amz-grant-read-acp", Permission::ReadAcp),
            ("x-amz-grant-write-acp", Permission::WriteAcp),
            ("x-amz-grant-full-control", Permission::FullControl),
        ];
        for (name, may) in headers {
            for part in request.header(name).into_iter().flat_map(|v| v.split(',')).filter(|p| !p.trim().is_empty()) {
                let (kind, value) = part.trim().split_once('=').ok_or_else(|| Fault::argument(name, part, "not kind=value"))?;
                let value = value.trim().trim_matches('"');
                let who = match kind.trim() {
                    "id" => by_id(door, value).await?,
                    "uri" => group(value)?,
                    "emailAddress" => by_email(door, value).await?,
                    _ => return Err(Fault::argument(name, part, "a grantee is id, uri or emailAddress")),
                };
                grants.push(Grant { who, may });
            }
        }
        match (canned, grants.is_empty()) {
            (Some(_), false) => Err(Fault::new("InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed")),
            (None, false) => Ok((Self(grants), true)),
            (canned, true) => Ok((Self::canned(canned.unwrap_or("private"), owner, bucket_owner)?, canned.is_some())),
        }
    }

    /// The list in a document; its owner must be the one there is.
    pub async fn of_document(door: &Door, body: &[u8], owner: &str) -> Outcome<Self> {
        let doc = Element::parse(body, "AccessControlPolicy")?;
        if let Some(id) = doc.child("Owner").and_then(|o| o.value("ID"))
            && id != canonical(owner)
        {
            return Err(Fault::denied());
        }
        let list = doc.child("AccessControlList").ok_or_else(|| Fault::malformed("AccessControlList is missing"))?;
        let mut grants = Vec::new();
        for g in list.all("Grant") {
            let may = Permission::from_word(g.need("Permission")?).ok_or_else(|| Fault::malformed("not a permission"))?;
            let grantee = g.child("Grantee").ok_or_else(|| Fault::malformed("Grantee is missing"))?;
            let who = match (grantee.value("ID"), grantee.value("URI"), grantee.value("EmailAddress")) {
                (Some(id), None, None) => by_id(door, id).await?,
                (None, Some(uri), None) => group(uri)?,
                (None, None, Some(email)) => by_email(door, email).await?,
                _ => return Err(Fault::malformed("a Grantee has ID, URI or EmailAddress")),
            };
            grants.push(Grant { who, may });
        }
        if grants.len() > MOST_GRANTS {
            return Err(Fault::malformed("more than 100 grants"));
        }
        Ok(Self(grants))
    }

    /// The document.
    pub async fn document(&self, door: &Door, owner: i64) -> Outcome<Vec<u8>> {
        let (uuid, name) = door.owner(owner).await?;
        let mut x = Xml::root("AccessControlPolicy");
        x.open("Owner").text("ID", &canonical(&uuid)).text("DisplayName", &name).close().open("AccessControlList");
        for g in &self.0 {
            let xsi = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type";
            x.open("Grant");
            match &g.who {
                Grantee::Account(uuid) => {
                    let name = door.engine.account_by_uuid(uuid).await?.map(|a| a.name);
                    x.open(&format!("Grantee {xsi}=\"CanonicalUser\"")).text("ID", &canonical(uuid)).maybe("DisplayName", name.as_deref());
                }
                Grantee::AllUsers => {
                    x.open(&format!("Grantee {xsi}=\"Group\"")).text("URI", ALL_USERS);
                }
                Grantee::Authenticated => {
                    x.open(&format!("Grantee {xsi}=\"Group\"")).text("URI", AUTHENTICATED);
                }
                Grantee::LogDelivery => {
                    x.open(&format!("Grantee {xsi}=\"Group\"")).text("URI", LOG_DELIVERY);
                }
            }
            x.close().text("Permission", g.may.word()).close();
        }
        Ok(x.done())
    }
}

fn group(uri: &str) -> Outcome<Grantee> {
    match uri {
        ALL_USERS => Ok(Grantee::AllUsers),
        AUTHENTICATED => Ok(Grantee::Authenticated),
        LOG_DELIVERY => Ok(Grantee::LogDelivery),
        _ => Err(Fault::argument("uri", uri, &format!("Invalid group uri; groups begin with {GROUPS}"))),
    }
}

async fn by_id(door: &Door, id: &str) -> Outcome<Grantee> {
    let unknown = || Fault::argument("id", id, "Invalid id");
    let uuid = of_canonical(id).ok_or_else(unknown)?;
    door.engine.account_by_uuid(&uuid).await?.map(|a| Grantee::Account(a.uuid)).ok_or_else(unknown)
}

async fn by_email(door: &Door, email: &str) -> Outcome<Grantee> {
    let found = door.engine.account_by_email(email).await?;
    found.map(|a| Grantee::Account(a.uuid)).ok_or_else(|| {
        Fault::new("UnresolvableGrantByEmailAddress", "The e-mail address you provided does not match exactly one account on record")
    })
}
