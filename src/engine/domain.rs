//! Domains: the tree that accounts live in. A row's path has slashes at both ends, so a subtree is a prefix.
use crate::account::{checked_name, chosen_uuid, free_uuid, network_domain};
use crate::setup::ROOT_DOMAIN;
use crate::{Call, Engine, Listing, Topic};
use std::collections::HashSet;
use stratus_model::{AccountType, Error, Kind, Result};
use stratus_store::{Account, Dedication, Domain, Project, Query, ResourceCount, Tx, Zone};

/// What a new domain is made of.
#[derive(Debug, Clone)]
pub struct DomainCreate {
    /// Its name, unique beside its siblings.
    pub name: String,
    /// The domain above; ROOT when there is none.
    pub parent: Option<Domain>,
    /// The DNS suffix of its networks.
    pub network_domain: Option<String>,
    /// The uuid that the caller wants for it.
    pub uuid: Option<String>,
}

/// Which domains a list shows.
#[derive(Debug, Clone, Default)]
pub struct DomainFilter {
    /// This domain; for children, the one whose children are shown.
    pub domain: Option<Domain>,
    /// Those of this name.
    pub name: Option<String>,
    /// Those on this level; ROOT is on level 0.
    pub level: Option<i64>,
    /// A text in the name.
    pub keyword: Option<String>,
    /// Everything that the caller may see.
    pub listall: bool,
    /// Children's children too.
    pub recursive: bool,
    /// Offset and limit.
    pub page: (i64, i64),
}

/// A path as answers show it: `ROOT/a/b` for `/a/b/`.
pub fn shown_path(path: &str) -> String {
    format!("ROOT{}", path.trim_end_matches('/'))
}

impl Engine {
    /// Makes a domain.
    pub async fn domain_create(&self, call: &Call, ask: DomainCreate) -> Result<Domain> {
        checked_name("name", &ask.name)?;
        let parent_id = ask.parent.as_ref().map_or(ROOT_DOMAIN, |d| d.id);
        if !call.covers_domain(parent_id).await? {
            return Err(Error::Denied(format!("Account {} may not make domains there", call.caller.account_name)));
        }
        let network_domain = network_domain(ask.network_domain.as_deref())?;
        let uuid = chosen_uuid("domainid", ask.uuid.as_deref())?;
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let parent = hold(tx, parent_id).await?;
                    free_name(tx, parent.id, &ask.name).await?;
                    let mut d = Domain {
                        uuid: free_uuid::<Domain>(tx, Kind::Domain, uuid).await?,
                        path: format!("{}{}/", parent.path, ask.name),
                        name: ask.name,
                        parent_id: Some(parent.id),
                        level: parent.level + 1,
                        network_domain,
                        state: "Active".into(),
                        created: call.now(),
                        ..Default::default()
                    };
                    tx.insert(&mut d).await?;
                    call.counters_create(tx, "domain", d.id).await?;
                    call.log(tx, topic(&call, &d), format!("made domain {}", shown_path(&d.path))).await?;
                    Ok(d)
                })
            })
            .await
    }

    /// The domains that the caller may see. Root sees all; others their own, with `listall` those below it too.
    pub async fn domain_list(&self, call: &Call, f: DomainFilter) -> Result<Listing<Domain>> {
        let q = match &f.domain {
            Some(d) => {
                self.see_domain(call, d).await?;
                Query::live().eq("id", d.id)
            }
            None if call.caller.is_root() => Query::live(),
            None if f.listall => Query::live().starts("path", &call.caller.domain_path),
            None => Query::live().eq("id", call.caller.domain_id),
        };
        self.domains(q, f).await
    }

    /// The domains right below one, or all below it.
    pub async fn domain_children(&self, call: &Call, f: DomainFilter) -> Result<Listing<Domain>> {
        let (id, path) = match &f.domain {
            Some(d) => {
                self.see_domain(call, d).await?;
                (d.id, d.path.clone())
            }
            None => (call.caller.domain_id, call.caller.domain_path.clone()),
        };
        let q = if f.recursive || f.listall && f.domain.is_none() {
            Query::live().starts("path", &path).ne("id", id)
        } else {
            Query::live().eq("parent_id", id)
        };
        self.domains(q, f).await
    }

    async fn see_domain(&self, call: &Call, d: &Domain) -> Result<()> {
        if call.caller.is_root() || call.covers_domain(d.id).await? {
            return Ok(());
        }
        Err(Error::Denied(format!("Account {} may not see domain {}", call.caller.account_name, d.uuid)))
    }

    async fn domains(&self, q: Query, f: DomainFilter) -> Result<Listing<Domain>> {
        let mut q = q.eq_opt("name", f.name).eq_opt("level", f.level);
        if let Some(text) = &f.keyword {
            q = q.holds(&["name"], text);
        }
        Ok(Listing { count: self.db.count::<Domain>(q.clone()).await?, rows: self.db.find(q.page(f.page.0, f.page.1)).await? })
    }

    /// Which of these domains have others below them.
    pub async fn domains_with_children(&self, ids: &[i64]) -> Result<HashSet<i64>> {
        let children = self.db.find::<Domain>(Query::live().within("parent_id", ids.iter().copied())).await?;
        Ok(children.into_iter().filter_map(|d| d.parent_id).collect())
    }

    /// Renames a domain, and with it the paths below it, or changes its DNS suffix.
    pub async fn domain_update(&self, call: &Call, d: Domain, name: Option<String>, suffix: Option<String>) -> Result<Domain> {
        let name = name.filter(|n| *n != d.name);
        if let Some(n) = &name {
            checked_name("name", n)?;
            if d.id == ROOT_DOMAIN {
                return Err(Error::invalid("name", "ROOT keeps its name"));
            }
        }
        let network = network_domain(suffix.as_deref())?;
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    if let Some(n) = &name {
                        rename(tx, d.id, n).await?;
                    }
                    if suffix.is_some() {
                        tx.set::<Domain>(d.id, vec![("network_domain", network.into())]).await?;
                    }
                    let d = tx.must::<Domain>(d.id).await?;
                    call.log(tx, topic(&call, &d), format!("changed domain {}", shown_path(&d.path))).await?;
                    Ok(d)
                })
            })
            .await
    }

    /// Deletes a domain; with `cleanup` also the accounts and domains in it. Runs in a job and may run again.
    pub async fn domain_delete(&self, call: &Call, d: Domain, cleanup: bool) -> Result<()> {
        if d.id == ROOT_DOMAIN {
            return Err(Error::Denied("ROOT cannot be deleted".into()));
        }
        // From the deepest up, so that nothing is ever left without a parent.
        let mut tree = match cleanup {
            true => self.db.find::<Domain>(Query::live().starts("path", &d.path)).await?,
            false => vec![d],
        };
        tree.sort_by_key(|d| std::cmp::Reverse(d.level));
        for d in tree {
            if cleanup {
                for project in self.db.find::<Project>(Query::live().eq("domain_id", d.id)).await? {
                    self.project_delete(call, project).await?;
                }
                for account in self.db.find::<Account>(Query::live().eq("domain_id", d.id)).await? {
                    self.account_delete(call, account).await?;
                }
            }
            let call = call.clone();
            self.db.write(move |tx| Box::pin(async move { remove_empty(tx, &call, &d).await })).await?;
        }
        Ok(())
    }
}

/// A live domain, held against others until the transaction ends: names are unique in it, and it cannot go meanwhile.
pub(crate) async fn hold(tx: &mut Tx, id: i64) -> Result<Domain> {
    let held = tx.update::<Domain>(Query::live().eq("id", id), Vec::new()).await?;
    let d = tx.must::<Domain>(id).await?;
    if held == 0 { Err(Error::not_found(Kind::Domain, d.uuid)) } else { Ok(d) }
}

fn topic(call: &Call, d: &Domain) -> Topic {
    Topic { account: call.caller.account_id, domain: d.id, kind: Kind::Domain, id: d.id }
}

async fn free_name(tx: &mut Tx, parent: i64, name: &str) -> Result<()> {
    match tx.count::<Domain>(Query::live().eq("parent_id", parent).eq("name", name)).await? {
        0 => Ok(()),
        _ => Err(Error::Duplicate { kind: Kind::Domain, name: name.into() }),
    }
}

async fn rename(tx: &mut Tx, id: i64, name: &str) -> Result<()> {
    let d = tx.must::<Domain>(id).await?;
    let parent = hold(tx, d.parent_id.unwrap_or(ROOT_DOMAIN)).await?;
    free_name(tx, parent.id, name).await?;
    let path = format!("{}{name}/", parent.path);
    for below in tx.find::<Domain>(Query::all().starts("path", &d.path)).await? {
        if let Some(rest) = below.path.strip_prefix(&d.path) {
            tx.set::<Domain>(below.id, vec![("path", format!("{path}{rest}").into())]).await?;
        }
    }
    tx.set::<Domain>(id, vec![("name", name.into())]).await.map(drop)
}

/// Removes a domain in which nothing is left; says what is when something is.
async fn remove_empty(tx: &mut Tx, call: &Call, d: &Domain) -> Result<()> {
    if tx.update::<Domain>(Query::live().eq("id", d.id), Vec::new()).await? == 0 {
        return Ok(());
    }
    let left = [
        (tx.count::<Account>(Query::live().eq("domain_id", d.id).ne("account_type", AccountType::Project.number())).await?, "accounts"),
        (crate::project::left_in(tx, d).await?, "projects"),
        (tx.count::<Domain>(Query::live().eq("parent_id", d.id)).await?, "domains"),
        (tx.count::<Zone>(Query::live().eq("domain_id", d.id)).await?, "private zones"),
    ];
    let left: Vec<String> = left.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    if !left.is_empty() {
        let why = format!("it still has {}; cleanup=true deletes accounts and domains with it", left.join(", "));
        return Err(Error::InUse { kind: Kind::Domain, id: shown_path(&d.path), why });
    }
    tx.remove::<Domain>(d.id, call.now()).await?;
    tx.delete::<ResourceCount>(Query::all().eq("owner_kind", "domain").eq("owner_id", d.id)).await?;
    tx.delete::<Dedication>(Query::all().eq("domain_id", d.id)).await?;
    call.log(tx, topic(call, d), format!("deleted domain {}", shown_path(&d.path))).await
}
