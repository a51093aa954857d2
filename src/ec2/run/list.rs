//! A list: natives, joined, narrowed by ids and filters, paged, grouped.
//!
//! Where a mapping says that each native record is one thing of the list (`paging.native`), a page is read as far as it is needed, and all
//! of a list in pieces; the token of a page says at which native record the next one begins. Other lists are read whole for each page.
use super::{broken, command, each, gather, mapped};
use crate::actions::instances::Reservations;
use crate::cx::{set, text};
use crate::filters::Filter;
use crate::mapping::Ids;
use crate::paging::Page;
use crate::{Cx, Fault, Names, Outcome, actions, filters, paging};
use serde_json::{Value, json};
use std::collections::HashSet;

/// Up to so many ids are asked for one by one; for more, everything is listed once.
const FEW: usize = 20;
/// Where positions in what a list has beside the native one begin: behind every native record.
const TAIL: u64 = 1 << 40;

pub async fn run(cx: &Cx) -> Outcome<Value> {
    let ask = Ask::read(cx).await?;
    let (records, next) = if ask.in_pieces(cx) { part(cx, ask).await? } else { whole(cx, &ask).await? };
    let records = match &cx.action.group {
        Some(name) => actions::group(name).ok_or_else(|| broken(cx))?(records),
        None => records,
    };
    Ok(json!({ "all": records, "nexttoken": next }))
}

/// What a request asks of a list.
struct Ask {
    filters: Vec<Filter>,
    page: Page,
    wanted: Vec<Wanted>,
}

/// What one parameter of ids asks for.
struct Wanted {
    ids: &'static Ids,
    /// As given, and as the records have it.
    things: Vec<(String, String)>,
}

impl Ask {
    async fn read(cx: &Cx) -> Outcome<Self> {
        let filters = filters::parse(&cx.input, cx.action, &cx.version)?;
        let page = paging::parse(cx)?;
        let wanted = wanted(cx).await?;
        if cx.input.flag("DryRun") {
            return Err(super::dry_run());
        }
        Ok(Self { filters, page, wanted })
    }
    fn in_pieces(&self, cx: &Cx) -> bool {
        self.wanted.is_empty() && cx.action.paging.as_ref().is_some_and(|p| p.native)
    }
    /// Leaves out what is not meant.
    async fn keep(&self, cx: &Cx, names: &mut Names, joined: Vec<Value>) -> Outcome<Vec<Value>> {
        let mut records = narrow(cx, &self.wanted, joined)?;
        // Known to be there, but not what this list is about.
        records.retain(|r| r.get("hidden") != Some(&Value::Bool(true)));
        filters::ids(&self.filters, cx.action, &records, names);
        names.learn(cx.engine()).await?;
        Ok(filters::keep(&self.filters, cx.action, names, records))
    }
}

/// All of a list, in pieces, each with its groups complete.
pub struct Pieces<'c> {
    reader: Reader<'c>,
    groups: Option<Reservations>,
}

impl<'c> Pieces<'c> {
    /// A request that wants all there is of a list that can be read in pieces; nothing for others.
    pub async fn of(cx: &'c Cx) -> Outcome<Option<Self>> {
        let paged = cx.input.get("MaxResults").is_some() || cx.action.ids.iter().any(|ids| cx.input.any(&ids.parameter));
        if paged || !cx.action.paging.as_ref().is_some_and(|p| p.native) {
            return Ok(None);
        }
        let ask = Ask::read(cx).await?;
        let groups = cx.action.group.as_ref().map(|_| Reservations::default());
        Ok(Some(Self { reader: Reader::new(cx, ask, cx.many() as u64), groups }))
    }

    /// The next records; nothing at the end.
    pub async fn next(&mut self) -> Outcome<Option<Vec<Value>>> {
        let Some(groups) = &mut self.groups else { return self.reader.next().await };
        match self.reader.next().await? {
            Some(records) => {
                groups.expect(self.reader.cx, &self.reader.seen).await?;
                Ok(Some(groups.take(records)))
            }
            None => Ok(Some(groups.rest()).filter(|rest| !rest.is_empty())),
        }
    }
}

/// Reads a list from a native record on.
struct Reader<'c> {
    cx: &'c Cx,
    ask: Ask,
    /// The native record that comes next; nothing at the end.
    at: Option<u64>,
    /// Native records of a question.
    size: u64,
    names: Names,
    /// The reservations of all records of the last piece, kept or not.
    seen: Vec<String>,
}

impl<'c> Reader<'c> {
    fn new(cx: &'c Cx, ask: Ask, size: u64) -> Self {
        let at = Some(ask.page.start);
        Self { cx, ask, at, size, names: Names::default(), seen: Vec::new() }
    }

    async fn next(&mut self) -> Outcome<Option<Vec<Value>>> {
        let Some(at) = self.at else { return Ok(None) };
        let cx = self.cx;
        let mut records = Vec::new();
        if at < TAIL {
            let (page, skip) = (at / self.size, at % self.size);
            let (found, count) = cx.page(command(cx)?, mapped(cx).await?, page + 1, self.size).await?;
            let after = page * self.size + found.len() as u64;
            records = numbered(found, page * self.size, skip);
            self.at = Some(after).filter(|after| *after < count && *after > at);
        }
        if at >= TAIL || self.at.is_none() {
            self.at = None;
            if let Some(name) = &cx.action.tail {
                let found = actions::tail(name).ok_or_else(|| broken(cx))?(cx).await?;
                records.extend(numbered(found, TAIL, at.saturating_sub(TAIL)));
            }
        }
        let joined = gather(cx, records).await?;
        // What is left out by filters counts for its group all the same.
        self.seen = joined.iter().map(|r| text(r, "reservation").to_owned()).collect();
        self.ask.keep(cx, &mut self.names, joined).await.map(Some)
    }
}

/// Records with their positions, the first ones left out.
fn numbered(records: Vec<Value>, first: u64, skip: u64) -> Vec<Value> {
    let numbered = records.into_iter().zip(first..).skip(usize::try_from(skip).unwrap_or(usize::MAX));
    numbered
        .map(|(mut record, position)| {
            set(&mut record, "position", position);
            record
        })
        .collect()
}

/// A page of a list that can be read in pieces, or all of it, and the token of the next one.
async fn part(cx: &Cx, ask: Ask) -> Outcome<(Vec<Value>, Option<String>)> {
    let most = ask.page.size().unwrap_or(usize::MAX);
    // With filters few may be left of many; without, a page is what one question brings.
    let size = if ask.filters.is_empty() { most.min(cx.many()) } else { cx.many() };
    let mut reader = Reader::new(cx, ask, size as u64);
    let mut kept: Vec<Value> = Vec::new();
    while kept.len() < most {
        let Some(records) = reader.next().await? else { break };
        for record in records {
            if kept.len() == most {
                let next = record.get("position").and_then(Value::as_u64);
                return Ok((kept, next.map(|at| paging::seal(cx, at)).transpose()?));
            }
            kept.push(record);
        }
    }
    let next = reader.at.map(|at| paging::seal(cx, at)).transpose()?;
    Ok((kept, next))
}

/// A page of a list that has to be read whole, or of what was asked for by id.
async fn whole(cx: &Cx, ask: &Ask) -> Outcome<(Vec<Value>, Option<String>)> {
    let mut records = fetch(cx, &ask.wanted).await?;
    if let Some(name) = &cx.action.tail {
        records.extend(actions::tail(name).ok_or_else(|| broken(cx))?(cx).await?);
    }
    let records = ask.keep(cx, &mut Names::default(), gather(cx, records).await?).await?;
    ask.page.cut(cx, records)
}

async fn wanted(cx: &Cx) -> Outcome<Vec<Wanted>> {
    let mut all = Vec::new();
    for ids in &cx.action.ids {
        let given = cx.input.list(&ids.parameter);
        if given.is_empty() {
            continue;
        }
        let keys = match &ids.kind {
            Some(kind) => cx.uuids(kind, &given).await?,
            None => given.iter().map(|g| (*g).to_owned()).collect(),
        };
        all.push(Wanted { ids, things: given.into_iter().map(str::to_owned).zip(keys).collect() });
    }
    Ok(all)
}

async fn fetch(cx: &Cx, wanted: &[Wanted]) -> Outcome<Vec<Value>> {
    let command = command(cx)?;
    let many = command == "listVirtualMachines";
    let by_id = wanted.iter().find(|w| w.ids.native && (many || w.things.len() <= FEW));
    let Some(few) = by_id else { return cx.list(command, mapped(cx).await?).await };
    let mut seen = HashSet::new();
    let uuids: Vec<String> = few.things.iter().map(|(_, uuid)| uuid.clone()).filter(|uuid| seen.insert(uuid.clone())).collect();
    Ok(each(cx, command, &uuids).await?.into_iter().flatten().collect())
}

/// Leaves the things that were asked for; one that is not there fails the call.
fn narrow(cx: &Cx, wanted: &[Wanted], mut records: Vec<Value>) -> Outcome<Vec<Value>> {
    for Wanted { ids, things } in wanted {
        let keys: HashSet<&str> = things.iter().map(|(_, key)| key.as_str()).collect();
        records.retain(|r| r.get(&ids.field).and_then(Value::as_str).is_some_and(|key| keys.contains(key)));
        let found: HashSet<&str> = records.iter().filter_map(|r| r.get(&ids.field).and_then(Value::as_str)).collect();
        if let Some((given, _)) = things.iter().find(|(_, key)| !found.contains(key.as_str())) {
            return Err(match (&ids.kind, &ids.not_found) {
                (_, Some(code)) => Fault::new(code, format!("'{given}' does not exist")),
                (Some(kind), None) => cx.not_found(kind, given),
                (None, None) => Fault::invalid(&ids.parameter, format!("'{given}' does not exist")),
            });
        }
    }
    Ok(records)
}
