//! Tags: pairs of key and value on things. A thing has a key once; tags go with the thing's owner, not with who made them.
use crate::access::Owned;
use crate::{Call, Engine, ListScope, Listing, Topic};
use std::collections::HashMap;
use stratus_model::{Error, Kind, Result};
use stratus_store::{
    FirewallRule, IpAddress, Network, Nic, Project, Query, ResourceDetail, SecurityGroup, Snapshot, Tag, Template, Tx, Vm, VmSnapshot,
    Volume,
};
use uuid::Uuid;

/// Types of things that can have tags: the word on the wire and what it is.
const TYPES: &[(&str, Kind)] = &[
    ("UserVm", Kind::Vm),
    ("Template", Kind::Template),
    ("ISO", Kind::Iso),
    ("Volume", Kind::Volume),
    ("Snapshot", Kind::Snapshot),
    ("Network", Kind::Network),
    ("Nic", Kind::Nic),
    ("SecurityGroup", Kind::SecurityGroup),
    ("PublicIpAddress", Kind::IpAddress),
    ("FirewallRule", Kind::FirewallRule),
    ("Project", Kind::Project),
    ("Vpc", Kind::Vpc),
    ("VMSnapshot", Kind::VmSnapshot),
];

/// A thing that a tag can be on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The word of its type, as tags keep it.
    pub word: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its key.
    pub id: i64,
    /// Its uuid.
    pub uuid: String,
    /// Its owner.
    pub account: i64,
    /// The owner's domain.
    pub domain: i64,
}

/// The word of a type, whatever its case.
pub fn resource_type(word: &str) -> Result<(&'static str, Kind)> {
    let known = TYPES.iter().find(|(w, _)| w.eq_ignore_ascii_case(word.trim())).copied();
    known.ok_or_else(|| {
        let all: Vec<&str> = TYPES.iter().map(|(w, _)| *w).collect();
        Error::invalid("resourcetype", format!("'{word}' is none of {}", all.join(", ")))
    })
}

/// Which tags to list.
#[derive(Debug, Clone)]
pub struct TagList {
    /// Whose.
    pub scope: ListScope,
    /// Of things of this type.
    pub resource_type: Option<String>,
    /// Of the thing with this uuid or number.
    pub resource: Option<String>,
    /// With this key.
    pub key: Option<String>,
    /// With this value.
    pub value: Option<String>,
    /// Made for this customer.
    pub customer: Option<String>,
    /// Whose key or value holds this.
    pub keyword: Option<String>,
    /// First row and number of rows.
    pub page: (i64, i64),
}

/// Narrows a query to things that have one of these tags; no tags, no narrowing.
pub fn tag_filter(q: Query, resource_type: &str, tags: &[(String, String)]) -> Query {
    if tags.is_empty() {
        return q;
    }
    q.id_in::<Tag>("resource_id", tagged(resource_type, tags))
}

/// Tags of things of a type that are one of these pairs.
pub(crate) fn tagged(resource_type: &str, tags: &[(String, String)]) -> Query {
    let pairs = tags.iter().map(|(k, v)| Query::all().eq("tag_key", k).eq("tag_value", v));
    Query::all().eq("resource_type", resource_type).any(pairs)
}

fn of_id(id: &str) -> Query {
    match id.parse::<i64>() {
        Ok(n) => Query::live().eq("id", n),
        Err(_) => Query::live().eq("uuid", id.to_ascii_lowercase()),
    }
}

impl Call {
    /// The thing of a type with this uuid (or number), if the caller may act on it.
    pub async fn resource_of(&self, resource_type_word: &str, id: &str) -> Result<Resource> {
        let (word, kind) = resource_type(resource_type_word)?;
        let q = of_id(id.trim());
        let found = match kind {
            Kind::Vm => self.owned_resource::<Vm>(q).await?,
            Kind::Volume => self.owned_resource::<Volume>(q).await?,
            Kind::Project => self.owned_resource::<Project>(q).await?,
            Kind::Snapshot => self.owned_resource::<Snapshot>(q).await?,
            Kind::Network => self.owned_resource::<Network>(q).await?,
            Kind::SecurityGroup => self.owned_resource::<SecurityGroup>(q).await?,
            Kind::Nic => self.owned_resource::<Nic>(q).await?,
            Kind::Template => self.owned_resource::<Template>(q.eq("is_iso", false)).await?,
            Kind::Iso => self.owned_resource::<Template>(q.eq("is_iso", true)).await?,
            Kind::IpAddress => self.address_resource(id.trim()).await?,
            Kind::FirewallRule => self.owned_resource::<FirewallRule>(q).await?,
            Kind::VmSnapshot => self.owned_resource::<VmSnapshot>(q).await?,
            // Nothing of the other kinds exists yet, so none has this id.
            _ => None,
        };
        let Some((id, uuid, account, domain)) = found else { return Err(Error::not_found(kind, id)) };
        if !self.may_touch(account, domain).await? {
            let who = &self.caller.account_name;
            return Err(Error::Denied(format!("Account {who} does not have permission to operate with the {} {uuid}", kind.noun())));
        }
        Ok(Resource { word, kind, id, uuid, account, domain })
    }

    async fn owned_resource<T: Owned + HasUuid>(&self, q: Query) -> Result<Option<(i64, String, i64, i64)>> {
        Ok(self.db.find_one::<T>(q).await?.map(|t| {
            let (account, domain) = t.owner();
            (t.id(), t.uuid().to_owned(), account, domain)
        }))
    }

    /// An address is somebody's only while it is allocated; its row is never removed.
    async fn address_resource(&self, id: &str) -> Result<Option<(i64, String, i64, i64)>> {
        let q = Query::all().eq("state", "Allocated").not_null("account_id");
        let q = match id.parse::<i64>() {
            Ok(n) => q.eq("id", n),
            Err(_) => q.eq("uuid", id.to_ascii_lowercase()),
        };
        Ok(self.db.find_one::<IpAddress>(q).await?.and_then(|a| Some((a.id, a.uuid, a.account_id?, a.domain_id?))))
    }

    /// The things of a type with these ids, each of which the caller may act on.
    pub async fn resources_of(&self, resource_type_word: &str, ids: &[String]) -> Result<Vec<Resource>> {
        let mut found: Vec<Resource> = Vec::with_capacity(ids.len());
        for id in ids {
            let resource = self.resource_of(resource_type_word, id).await?;
            if !found.iter().any(|r| r.id == resource.id) {
                found.push(resource);
            }
        }
        match found.is_empty() {
            true => Err(Error::invalid("resourceids", "at least one id is needed")),
            false => Ok(found),
        }
    }
}

/// A row that says its uuid.
trait HasUuid {
    fn uuid(&self) -> &str;
}
macro_rules! has_uuid {
    ($($t:ty),*) => { $(impl HasUuid for $t { fn uuid(&self) -> &str { &self.uuid } })* };
}
has_uuid!(Vm, Volume, Snapshot, Network, SecurityGroup, Nic, Template, Project, VmSnapshot, FirewallRule);

/// Refuses tags that cannot be: without key or value, too long, or one key twice.
pub fn check_tags(tags: &[(String, String)]) -> Result<()> {
    if tags.is_empty() {
        return Err(Error::invalid("tags", "at least one tag is needed"));
    }
    for (i, (key, value)) in tags.iter().enumerate() {
        if key.is_empty() || value.is_empty() {
            return Err(Error::invalid("tags", format!("the tag '{key}' needs a key and a value")));
        }
        if key.chars().count() > 255 || value.chars().count() > 255 {
            return Err(Error::invalid("tags", format!("key and value of the tag '{key}' may have 255 characters")));
        }
        if tags[..i].iter().any(|(k, _)| k == key) {
            return Err(Error::invalid("tags", format!("the tag '{key}' is given twice")));
        }
    }
    Ok(())
}

impl Engine {
    /// Refuses tags whose keys one of the things has already.
    pub async fn tags_new(&self, things: &[Resource], tags: &[(String, String)]) -> Result<()> {
        check_tags(tags)?;
        let keys = Query::all().within("tag_key", tags.iter().map(|(k, _)| k));
        let Some(word) = things.first().map(|t| t.word) else { return Ok(()) };
        let q = keys.eq("resource_type", word).within("resource_id", things.iter().map(|t| t.id));
        match self.db.find_one::<Tag>(q).await? {
            Some(t) => Err(there(&t)),
            None => Ok(()),
        }
    }

    /// Puts tags on things, all or none. A tag that is there already with the same value stays as it is.
    pub async fn tags_create(
        &self,
        call: &Call,
        things: Vec<Resource>,
        tags: Vec<(String, String)>,
        customer: Option<String>,
    ) -> Result<()> {
        check_tags(&tags)?;
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    for thing in &things {
                        for (key, value) in &tags {
                            put(tx, &call, thing, key, value, customer.as_deref()).await?;
                        }
                        call.log(tx, topic(thing), format!("{} tags on {} {}", tags.len(), thing.word, thing.uuid)).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Takes tags off things: those with the keys (and the values, where given), or all.
    pub async fn tags_delete(&self, call: &Call, things: Vec<Resource>, tags: Vec<(String, Option<String>)>) -> Result<()> {
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    for thing in &things {
                        let mut q = Query::all().eq("resource_type", thing.word).eq("resource_id", thing.id);
                        if !tags.is_empty() {
                            q = q.any(tags.iter().map(|(k, v)| Query::all().eq("tag_key", k).eq_opt("tag_value", v.as_deref())));
                        }
                        let n = tx.delete::<Tag>(q).await?;
                        call.log(tx, topic(thing), format!("{n} tags off {} {}", thing.word, thing.uuid)).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Lists tags.
    pub async fn tag_list(&self, ask: TagList) -> Result<Listing<Tag>> {
        let word = ask.resource_type.as_deref().map(resource_type).transpose()?.map(|(w, _)| w);
        let mut q = ask.scope.apply(Query::all()).eq_opt("resource_type", word);
        if let Some(id) = ask.resource.as_deref().map(str::trim) {
            q = match id.parse::<i64>() {
                Ok(n) => q.eq("resource_id", n),
                Err(_) => q.eq("resource_uuid", id.to_ascii_lowercase()),
            };
        }
        q = q.eq_opt("tag_key", ask.key).eq_opt("tag_value", ask.value).eq_opt("customer", ask.customer);
        if let Some(k) = &ask.keyword {
            q = q.holds(&["tag_key", "tag_value"], k);
        }
        let (offset, limit) = ask.page;
        Ok(Listing { count: self.db.count::<Tag>(q.clone()).await?, rows: self.db.find(q.page(offset, limit)).await? })
    }

    /// The tags of some things of one type, by the thing's key: one query a page.
    pub async fn tags_of(&self, resource_type: &str, ids: &[i64]) -> Result<HashMap<i64, Vec<Tag>>> {
        let mut by_thing: HashMap<i64, Vec<Tag>> = HashMap::new();
        for chunk in ids.chunks(1000) {
            let q = Query::all().eq("resource_type", resource_type).within("resource_id", chunk.iter().copied());
            for tag in self.db.find::<Tag>(q).await? {
                by_thing.entry(tag.resource_id).or_default().push(tag);
            }
        }
        Ok(by_thing)
    }

    /// Forgets the tags and details of a thing that goes; in the transaction of that.
    pub async fn tags_forget(&self, tx: &mut Tx, resource_type: &str, id: i64) -> Result<()> {
        let of_thing = || Query::all().eq("resource_type", resource_type).eq("resource_id", id);
        tx.delete::<ResourceDetail>(of_thing()).await?;
        tx.delete::<Tag>(of_thing()).await.map(drop)
    }
}

fn topic(thing: &Resource) -> Topic {
    Topic { account: thing.account, domain: thing.domain, kind: thing.kind, id: thing.id }
}

fn there(tag: &Tag) -> Error {
    let Tag { tag_key, resource_type, resource_uuid, .. } = tag;
    Error::invalid("tags", format!("a tag with the key '{tag_key}' is on {resource_type} {resource_uuid} already"))
}

async fn put(tx: &mut Tx, call: &Call, thing: &Resource, key: &str, value: &str, customer: Option<&str>) -> Result<()> {
    let same = Query::all().eq("resource_type", thing.word).eq("resource_id", thing.id).eq("tag_key", key);
    match tx.find_one::<Tag>(same).await? {
        Some(t) if t.tag_value == value => return Ok(()),
        Some(t) => return Err(there(&t)),
        None => {}
    }
    let mut row = Tag {
        uuid: Uuid::new_v4().to_string(),
        resource_type: thing.word.into(),
        resource_id: thing.id,
        resource_uuid: thing.uuid.clone(),
        tag_key: key.into(),
        tag_value: value.into(),
        account_id: thing.account,
        domain_id: thing.domain,
        customer: customer.map(str::to_owned),
        created: call.now(),
        ..Default::default()
    };
    tx.insert(&mut row).await.map(drop)
}
