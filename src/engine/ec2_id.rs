//! Ids, owner numbers and client tokens of the AWS doors. An id is the prefix and the first 17 hex digits of the uuid; where two things
//! of one kind would share it, the later one gets digits of its uuid's SHA-256. All stand in one table, so that a thing that was removed
//! natively still resolves, and is then cleanly not found.
use crate::Engine;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use stratus_model::{Error, Result};
use stratus_store::{Account, ClientToken, Domain, Ec2Attribute, Ec2Id, Query, Table, Tx, Vm};

/// How many keys one question names.
const CHUNK: usize = 500;
/// Client tokens are kept for a day at least; older ones may go.
const TOKEN_LIFE: i64 = 48 * 3600 * 1_000_000;

/// What became of a client token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Nobody used it: the caller does the work and then calls [`Engine::ec2_token_answer`] or [`Engine::ec2_token_drop`].
    Mine,
    /// Somebody is at it.
    Pending,
    /// It is done; this was the answer.
    Done(String),
    /// It stands for another request.
    Mismatch,
}

impl Engine {
    /// The ids of things of one kind by their uuids, made where there are none yet.
    pub async fn ec2_ids(&self, kind: &str, uuids: &[String]) -> Result<HashMap<String, String>> {
        Ok(self.ec2_names(vec![(kind.to_owned(), uuids.to_vec())]).await?.remove(kind).unwrap_or_default())
    }

    /// The ids of things by kind and uuid. Those that have none yet get them, all in one write.
    pub async fn ec2_names(&self, wanted: Vec<(String, Vec<String>)>) -> Result<HashMap<String, HashMap<String, String>>> {
        let mut names: HashMap<String, HashMap<String, String>> = HashMap::with_capacity(wanted.len());
        let mut fresh: Vec<(String, Vec<String>)> = Vec::new();
        // Elsewhere another process may move an id.
        let alone = self.db.written().is_some();
        for (kind, uuids) in wanted {
            let found = names.entry(kind.clone()).or_default();
            let (uuids, turn) = if alone { self.ec2_known.take_known(&kind, uuids, found) } else { (uuids, 0) };
            let mut read = Vec::new();
            for chunk in uuids.chunks(CHUNK) {
                let rows = self.db.find::<Ec2Id>(Query::all().eq("kind", kind.as_str()).within("uuid", chunk)).await?;
                read.extend(rows.into_iter().map(|r| (r.uuid, r.ec2_id)));
            }
            if alone && !read.is_empty() {
                self.ec2_known.keep(turn, &kind, read.iter().map(|(uuid, id)| (uuid, id)));
            }
            found.extend(read);
            let mut missing: Vec<String> = uuids.into_iter().filter(|u| !found.contains_key(u)).collect();
            missing.sort_unstable();
            missing.dedup();
            fresh.extend(missing.chunks(CHUNK).map(|chunk| (kind.clone(), chunk.to_vec())));
        }
        if fresh.is_empty() {
            return Ok(names);
        }
        let now = self.clock.now();
        let made = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    let mut made = Vec::with_capacity(fresh.len());
                    for (kind, uuids) in fresh {
                        made.push((kind.clone(), make(tx, &kind, uuids, now).await?));
                    }
                    Ok(made)
                })
            })
            .await?;
        for (kind, ids) in made {
            names.entry(kind).or_default().extend(ids);
        }
        Ok(names)
    }

    /// The uuids behind ids (`i-0123456789abcdef0`, in lower case); an id that was never given out is left out.
    pub async fn ec2_uuids(&self, kind: &str, ids: &[String]) -> Result<HashMap<String, String>> {
        let mut found = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(CHUNK) {
            let rows = self.db.find::<Ec2Id>(Query::all().eq("kind", kind).within("ec2_id", chunk)).await?;
            found.extend(rows.into_iter().map(|r| (r.ec2_id, r.uuid)));
        }
        Ok(found)
    }

    /// Lets the id of a thing, and what was said of it, be another's from now on: of the one that took its place.
    pub async fn ec2_id_move(&self, kind: &str, from: &str, to: &str) -> Result<()> {
        let (kind, from, to) = (kind.to_owned(), from.to_owned(), to.to_owned());
        let moved = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    let of_old = Query::all().eq("kind", kind.as_str()).eq("uuid", from);
                    let of_new = Query::all().eq("kind", kind).eq("uuid", to.as_str());
                    tx.delete::<Ec2Id>(of_new.clone()).await?;
                    tx.delete::<Ec2Attribute>(of_new).await?;
                    tx.update::<Ec2Id>(of_old.clone(), vec![("uuid", to.as_str().into())]).await?;
                    tx.update::<Ec2Attribute>(of_old, vec![("uuid", to.into())]).await.map(drop)
                })
            })
            .await;
        self.ec2_known.forget();
        moved
    }

    /// The 12 digits of accounts, by account name and domain uuid. An account without digits gets them here.
    pub async fn ec2_owners(&self, pairs: &HashSet<(String, String)>) -> Result<HashMap<(String, String), String>> {
        if pairs.is_empty() {
            return Ok(HashMap::new());
        }
        let domains: HashSet<&str> = pairs.iter().map(|(_, d)| d.as_str()).collect();
        let domains = self.db.find::<Domain>(Query::all().within("uuid", domains)).await?;
        let uuids: HashMap<i64, String> = domains.into_iter().map(|d| (d.id, d.uuid)).collect();
        let names: HashSet<&str> = pairs.iter().map(|(n, _)| n.as_str()).collect();
        let query = Query::all().within("name", names).within("domain_id", uuids.keys().copied());
        let mut owners = HashMap::new();
        for account in self.db.find::<Account>(query).await? {
            let Some(domain) = uuids.get(&account.domain_id) else { continue };
            owners.insert((account.name.clone(), domain.clone()), self.ec2_owner(account).await?);
        }
        Ok(owners)
    }

    /// The 12 digits of an account by its key.
    pub async fn ec2_owner_of(&self, account: i64) -> Result<String> {
        self.ec2_owner(self.db.must::<Account>(account).await?).await
    }

    async fn ec2_owner(&self, account: Account) -> Result<String> {
        if !account.owner_number.is_empty() {
            return Ok(account.owner_number);
        }
        let number = owner_number(&account.uuid);
        let (id, set) = (account.id, vec![("owner_number", number.clone().into())]);
        self.db.write(move |tx| Box::pin(async move { tx.set::<Account>(id, set).await })).await?;
        Ok(number)
    }

    /// The account that a text names: its 12 digits, its uuid, `domain:name`, or a name in the given domain. Its name and domain uuid.
    pub async fn ec2_account(&self, text: &str, domain: i64) -> Result<Option<(String, String)>> {
        let digits = text.replace('-', "");
        let query = if digits.len() == 12 && digits.bytes().all(|b| b.is_ascii_digit()) {
            Query::live().eq("owner_number", digits)
        } else if let Some((domain, name)) = text.split_once(':') {
            let Some(d) = self.db.find_one::<Domain>(Query::live().eq("uuid", domain)).await? else { return Ok(None) };
            Query::live().eq("domain_id", d.id).eq("name", name)
        } else if uuid::Uuid::try_parse(text).is_ok() {
            Query::live().eq("uuid", text)
        } else {
            Query::live().eq("domain_id", domain).eq("name", text)
        };
        let Some(account) = self.db.find_one::<Account>(query).await? else { return Ok(None) };
        let domain = self.db.must::<Domain>(account.domain_id).await?;
        Ok(Some((account.name, domain.uuid)))
    }

    /// Notes that VMs were launched together: their reservation and, in the order given, their launch index.
    pub async fn vm_reservation_set(&self, vm_uuids: &[String], reservation: &str) -> Result<()> {
        let (uuids, reservation) = (vm_uuids.to_vec(), reservation.to_owned());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    for (index, uuid) in uuids.iter().enumerate() {
                        // By a plain update: the counter must not move under a job that is at work on the VM.
                        let sql = stratus_store::sql!("update vm set reservation = ?, launch_index = ? where uuid = ?");
                        tx.execute(sql, vec![reservation.as_str().into(), (index as i64).into(), uuid.as_str().into()]).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// VMs of a reservation of an account, in launch order.
    pub async fn vm_reservation_members(&self, account: i64, reservation: &str) -> Result<Vec<String>> {
        let query = Query::all().eq("account_id", account).eq("reservation", reservation).order("launch_index");
        Ok(self.db.find::<Vm>(query).await?.into_iter().map(|vm| vm.uuid).collect())
    }

    /// Takes a client token for a request (known by its hash), or says what became of it.
    pub async fn ec2_token_claim(&self, account: i64, action: &str, token: &str, request: &str) -> Result<Claim> {
        let now = self.clock.now();
        let row = ClientToken {
            account_id: account,
            action: action.into(),
            token: token.into(),
            request_hash: request.into(),
            created: now,
            ..Default::default()
        };
        let key = Query::all().eq("account_id", account).eq("action", action).eq("token", token);
        let again = key.clone();
        let outcome = self.db.write(move |tx| Box::pin(async move { claim(tx, key, row, now).await })).await;
        match outcome {
            // Two servers at the same moment: the other one has it.
            Err(Error::Raced(_)) => Ok(self.db.find_one::<ClientToken>(again).await?.map_or(Claim::Pending, |t| judge(t, request))),
            other => other,
        }
    }

    /// Keeps what a claimed token's request made.
    pub async fn ec2_token_answer(&self, account: i64, action: &str, token: &str, answer: &str) -> Result<()> {
        let key = Query::all().eq("account_id", account).eq("action", action).eq("token", token);
        let set = vec![("answer", answer.into())];
        self.db.write(move |tx| Box::pin(async move { tx.update::<ClientToken>(key, set).await.map(drop) })).await
    }

    /// Gives a claimed token back: its request made nothing.
    pub async fn ec2_token_drop(&self, account: i64, action: &str, token: &str) -> Result<()> {
        let key = Query::all().eq("account_id", account).eq("action", action).eq("token", token).null("answer");
        self.db.write(move |tx| Box::pin(async move { tx.delete::<ClientToken>(key).await.map(drop) })).await
    }
}

async fn make(tx: &mut Tx, kind: &str, uuids: Vec<String>, now: i64) -> Result<HashMap<String, String>> {
    // Another request may have been quicker.
    let rows = tx.find::<Ec2Id>(Query::all().eq("kind", kind).within("uuid", &uuids)).await?;
    let mut made: HashMap<String, String> = rows.into_iter().map(|r| (r.uuid, r.ec2_id)).collect();
    let fresh: Vec<&String> = uuids.iter().filter(|u| !made.contains_key(*u)).collect();
    let wanted: Vec<String> = fresh.iter().map(|u| format!("{kind}-{}", digits(u))).collect();
    let mut taken: HashSet<String> =
        tx.find::<Ec2Id>(Query::all().within("ec2_id", &wanted)).await?.into_iter().map(|r| r.ec2_id).collect();
    let mut rows = Vec::with_capacity(fresh.len());
    for (uuid, mut id) in fresh.into_iter().zip(wanted) {
        let mut text = uuid.clone();
        while taken.contains(&id) || (text != *uuid && tx.find_one::<Ec2Id>(Query::all().eq("ec2_id", id.as_str())).await?.is_some()) {
            text = hex(&Sha256::digest(text.as_bytes()));
            id = format!("{kind}-{}", digits(&text));
        }
        taken.insert(id.clone());
        made.insert(uuid.clone(), id.clone());
        rows.push(Ec2Id { ec2_id: id, kind: kind.into(), uuid: uuid.clone(), created: now, ..Default::default() });
    }
    tx.insert_all(&rows).await?;
    Ok(made)
}

async fn claim(tx: &mut Tx, key: Query, mut row: ClientToken, now: i64) -> Result<Claim> {
    if let Some(old) = tx.find_one::<ClientToken>(key).await? {
        if old.created > now - TOKEN_LIFE {
            return Ok(judge(old, &row.request_hash));
        }
        tx.delete::<ClientToken>(Query::all().eq("id", old.id())).await?;
    }
    tx.insert(&mut row).await?;
    Ok(Claim::Mine)
}

fn judge(token: ClientToken, request: &str) -> Claim {
    match token.answer {
        _ if token.request_hash != request => Claim::Mismatch,
        Some(answer) => Claim::Done(answer),
        None => Claim::Pending,
    }
}

/// The first 17 hex digits of a uuid (or of a hash).
pub(crate) fn digits(uuid: &str) -> String {
    uuid.chars().filter(char::is_ascii_hexdigit).map(|c| c.to_ascii_lowercase()).chain(std::iter::repeat('0')).take(17).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Twelve digits that an account's uuid stands for.
pub fn owner_number(uuid: &str) -> String {
    let hash = Sha256::digest(uuid.as_bytes());
    let number = hash.iter().take(8).fold(0_u64, |n, b| n << 8 | u64::from(*b));
    // The first digit is never 0: spreadsheets and YAML eat it.
    format!("{:012}", 100_000_000_000 + number % 900_000_000_000)
}
