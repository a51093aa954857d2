//! Details of things: free pairs of key and value that administrators write and owners read (TAG-03).
use crate::tag::{Resource, resource_type};
use crate::{Call, Engine, ListScope, Listing, Topic};
use std::collections::{BTreeMap, HashMap};
use stratus_model::{Error, Result};
use stratus_store::{Query, ResourceDetail};

/// Which details to list.
#[derive(Debug, Clone)]
pub struct DetailList {
    /// Whose.
    pub scope: ListScope,
    /// Of things of this type.
    pub resource_type: String,
    /// Of this thing.
    pub resource: String,
    /// With this key.
    pub key: Option<String>,
    /// Whose key or value holds this.
    pub keyword: Option<String>,
    /// First row and number of rows.
    pub page: (i64, i64),
}

fn topic(thing: &Resource) -> Topic {
    Topic { account: thing.account, domain: thing.domain, kind: thing.kind, id: thing.id }
}

impl Engine {
    /// Writes details of a thing, over those that it has.
    pub async fn details_add(&self, call: &Call, thing: Resource, details: Vec<(String, String)>) -> Result<()> {
        if details.is_empty() {
            return Err(Error::invalid("details", "at least one detail is needed, details[0].key=…&details[0].value=…"));
        }
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    for (key, value) in details {
                        let mine = Query::all().eq("resource_type", thing.word).eq("resource_id", thing.id).eq("detail_key", key.as_str());
                        tx.delete::<ResourceDetail>(mine).await?;
                        let mut row = ResourceDetail {
                            resource_type: thing.word.into(),
                            resource_id: thing.id,
                            resource_uuid: thing.uuid.clone(),
                            detail_key: key,
                            detail_value: value,
                            account_id: thing.account,
                            domain_id: thing.domain,
                            created: call.now(),
                            ..Default::default()
                        };
                        tx.insert(&mut row).await?;
                    }
                    call.log(tx, topic(&thing), format!("details of {} {}", thing.word, thing.uuid)).await
                })
            })
            .await
    }

    /// Takes one detail of a thing away, or all.
    pub async fn details_remove(&self, call: &Call, thing: Resource, key: Option<String>) -> Result<()> {
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let mine =
                        Query::all().eq("resource_type", thing.word).eq("resource_id", thing.id).eq_opt("detail_key", key.as_deref());
                    if tx.delete::<ResourceDetail>(mine).await? == 0
                        && let Some(key) = key
                    {
                        return Err(Error::invalid("key", format!("{} {} has no detail {key}", thing.word, thing.uuid)));
                    }
                    call.log(tx, topic(&thing), format!("details of {} {} removed", thing.word, thing.uuid)).await
                })
            })
            .await
    }

    /// Lists details.
    pub async fn detail_list(&self, ask: DetailList) -> Result<Listing<ResourceDetail>> {
        let (word, _) = resource_type(&ask.resource_type)?;
        let mut q = ask.scope.apply(Query::all()).eq("resource_type", word).eq_opt("detail_key", ask.key);
        q = match ask.resource.trim().parse::<i64>() {
            Ok(n) => q.eq("resource_id", n),
            Err(_) => q.eq("resource_uuid", ask.resource.trim().to_ascii_lowercase()),
        };
        if let Some(k) = &ask.keyword {
            q = q.holds(&["detail_key", "detail_value"], k);
        }
        let (offset, limit) = ask.page;
        Ok(Listing { count: self.db.count::<ResourceDetail>(q.clone()).await?, rows: self.db.find(q.page(offset, limit)).await? })
    }

    /// The details of some things of one type, by the thing's key.
    pub async fn details_of(&self, resource_type: &str, ids: &[i64]) -> Result<HashMap<i64, BTreeMap<String, String>>> {
        let mut by_thing: HashMap<i64, BTreeMap<String, String>> = HashMap::new();
        for chunk in ids.chunks(1000) {
            let q = Query::all().eq("resource_type", resource_type).within("resource_id", chunk.iter().copied());
            for d in self.db.find::<ResourceDetail>(q).await? {
                by_thing.entry(d.resource_id).or_default().insert(d.detail_key, d.detail_value);
            }
        }
        Ok(by_thing)
    }
}
