//! What was read and is still true: rows of tables that are read all the time and change rarely, kept until somebody writes to their
//! table.
//!
//! Nobody has to remember to invalidate: the writer knows from each statement which table it changes, and moves that table's number on
//! after the commit and before anybody hears of it. A result is kept with the number that was read before it, and served while the
//! number stays. Inside a write transaction nothing is served from here.
//!
//! Of tables with long lists it also knows which columns were written to, for `lists.rs`.
//!
//! This holds where one process writes: on SQLite. A server of MySQL's protocol is written by several management servers, so there
//! nothing is kept and every read asks the database.
use crate::{Query, Table, Value};
use std::any::Any;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use stratus_model::Result;

/// Tables whose results are kept.
const STEADY: [&str; 30] = [
    "account",
    "domain",
    "cloud_user",
    "project",
    "project_member",
    "region",
    "zone",
    "pod",
    "cluster",
    "host",
    "dedication",
    "image_store",
    "physical_network",
    "provider",
    "network_offering",
    "offering_service",
    "network",
    "ip_range",
    "security_group_rule",
    "service_offering",
    "disk_offering",
    "os_category",
    "os_type",
    "template",
    "template_store",
    "template_permission",
    "ssh_keypair",
    "affinity_group",
    "instance_group",
    "hypervisor_capability",
];
/// Tables with rows for few things, of which only is kept that they are empty: most clouds have no affinity groups, and no list of
/// VMs should ask five hundred times.
const SPARSE: [&str; 7] = ["nic_secondary_ip", "affinity_member", "affinity_host", "tag", "resource_detail", "vm_snapshot", "volume_store"];

/// Tables with long lists, of which is known which columns were written to.
const LISTED: [&str; 8] = ["vm", "volume", "snapshot", "event", "job", "nic", "ip_address", "alert"];

/// Results kept at most; then all are forgotten.
const MOST: usize = 8192;
/// Rows of a result that is kept.
const LONGEST: usize = 500;

/// Where the tables with long lists begin.
const LISTS: usize = STEADY.len() + SPARSE.len();
/// Tables that are watched.
const SLOTS: usize = LISTS + LISTED.len();

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

/// Where a table stands among those that are watched.
pub(crate) const fn slot(table: &str) -> Option<usize> {
    let mut i = 0;
    while i < SLOTS {
        let name = if i < STEADY.len() {
            STEADY[i]
        } else if i < LISTS {
            SPARSE[i - STEADY.len()]
        } else {
            LISTED[i - LISTS]
        };
        if same(table, name) {
            return Some(i);
        }
        i += 1;
    }
    None
}

/// What a transaction changed.
#[derive(Default)]
pub(crate) struct Changed {
    any: bool,
    /// A bit a slot.
    tables: u64,
    /// Columns of listed tables; an empty name for all of them.
    columns: Vec<(usize, String)>,
}

impl Changed {
    /// Notes the table that a statement writes to, and its columns; all tables for a statement that is not understood.
    pub(crate) fn by(&mut self, sql: &str) {
        self.any = true;
        let mut words = sql.split_ascii_whitespace().peekable();
        let inserts = words.peek().is_some_and(|w| w.eq_ignore_ascii_case("insert"));
        let verbs = ["insert", "or", "ignore", "into", "update", "delete", "from", "replace"];
        let slot = match words.find(|w| !verbs.iter().any(|v| w.eq_ignore_ascii_case(v))) {
            Some(table) => match slot(table) {
                Some(slot) => slot,
                None => return,
            },
            None => {
                self.tables = u64::MAX;
                self.columns.extend((LISTS..SLOTS).map(|slot| (slot, String::new())));
                return;
            }
        };
        self.tables |= 1 << slot;
        // What is inserted stands behind the last key and changes nothing that was there.
        if slot >= LISTS && !inserts {
            match columns(sql) {
                Some(written) => written.into_iter().for_each(|c| self.columns.push((slot, c.to_owned()))),
                None => self.columns.push((slot, String::new())),
            }
        }
    }
}

/// The columns that an `update … set a = …, b = … where …` writes to.
fn columns(sql: &str) -> Option<Vec<&str>> {
    let (_, set) = sql.split_once(" set ")?;
    let mut depth = 0;
    let mut all = Vec::new();
    // A comma outside of brackets, and a `where`, end an assignment; what is in brackets or in a `case` is only a value.
    for part in set.split(" where ").next()?.split(|c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    }) {
        all.push(part.split_once('=')?.0.trim());
    }
    Some(all)
}

/// The state of what a list depends on: it only grows.
pub(crate) type Sum = u64;

#[derive(PartialEq, Eq, Hash)]
pub(crate) enum What {
    Id(i64),
    Query(String, Vec<Value>),
}

type Key = (usize, What);
type Kept = (u64, Arc<dyn Any + Send + Sync>);

pub(crate) struct Memory {
    written: AtomicU64,
    tables: [AtomicU64; SLOTS],
    /// How often a column of a listed table was written to.
    columns: Mutex<HashMap<(usize, String), u64>>,
    kept: Mutex<HashMap<Key, Kept>>,
    /// The number at which a sparse table was empty, and one more.
    empty: [AtomicU64; SPARSE.len()],
}

impl Default for Memory {
    fn default() -> Self {
        let zero = |_| AtomicU64::new(0);
        Self {
            written: AtomicU64::new(0),
            tables: std::array::from_fn(zero),
            columns: Mutex::default(),
            kept: Mutex::default(),
            empty: std::array::from_fn(zero),
        }
    }
}

impl Memory {
    /// How often something was written.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// A batch has ended, well or not.
    pub(crate) fn changed(&self, by: &mut Changed) {
        let by = std::mem::take(by);
        if by.any {
            self.written.fetch_add(1, Ordering::Release);
        }
        if !by.columns.is_empty() {
            let mut columns = self.columns.lock().unwrap_or_else(PoisonError::into_inner);
            by.columns.into_iter().for_each(|column| *columns.entry(column).or_default() += 1);
        }
        for (i, table) in self.tables.iter().enumerate() {
            if by.tables & (1 << i) != 0 {
                table.fetch_add(1, Ordering::Release);
            }
        }
    }

    /// Rows that are kept, or that `read` reads now.
    pub(crate) fn rows<T: Table>(&self, slot: usize, what: What, read: impl FnOnce(&What) -> Result<Vec<T>>) -> Result<Vec<T>> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = self.tables[slot].load(Ordering::Acquire);
        let key = (slot, what);
        let found = kept().get(&key).filter(|(then, _)| *then == at).map(|(_, rows)| rows.clone());
        if let Some(rows) = found.as_ref().and_then(|r| r.downcast_ref::<Vec<T>>()) {
            return Ok(rows.clone());
        }
        let rows = read(&key.1)?;
        if rows.len() <= LONGEST {
            let mut kept = kept();
            if kept.len() >= MOST {
                kept.clear();
            }
            kept.insert(key, (at, Arc::new(rows.clone())));
        }
        Ok(rows)
    }

    /// Whether results of a table are kept.
    pub(crate) const fn keeps(slot: usize) -> bool {
        slot < STEADY.len()
    }

    /// Whether a table has few rows at most, of which is known whether there are none.
    pub(crate) const fn is_sparse(slot: usize) -> bool {
        STEADY.len() <= slot && slot < LISTS
    }

    /// What a query over a listed table depends on; none when that is not watched.
    pub(crate) fn sum<T: Table>(&self, q: &Query) -> Option<Sum> {
        let slot = T::SLOT.filter(|slot| *slot >= LISTS)?;
        let others = q.others().iter().map(|o| o.filter(|o| *o < LISTS).map(|o| self.tables[o].load(Ordering::Acquire)));
        let mut sum = others.sum::<Option<u64>>()?;
        let columns = self.columns.lock().unwrap_or_else(PoisonError::into_inner);
        let mut count = |column: &str| sum += columns.get(&(slot, column.to_owned())).copied().unwrap_or(0);
        count("");
        let words = q.conditions().0.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.filter(|w| T::COLUMNS.contains(w)).for_each(&mut count);
        Some(sum)
    }

    /// Whether a sparse table is empty; `look` looks.
    pub(crate) fn is_empty(&self, slot: usize, look: impl FnOnce() -> Result<bool>) -> Result<bool> {
        let at = self.tables[slot].load(Ordering::Acquire) + 1;
        let known = &self.empty[slot - STEADY.len()];
        if known.load(Ordering::Acquire) == at {
            return Ok(true);
        }
        let empty = look()?;
        if empty {
            known.store(at, Ordering::Release);
        }
        Ok(empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_watched_table_exists() {
        for name in STEADY.iter().chain(&SPARSE).chain(&LISTED) {
            assert!(crate::tables().iter().any(|t| t.name == *name), "{name}");
        }
        const { assert!(SLOTS < 64) };
    }

    #[test]
    fn a_statement_names_the_table_it_changes() {
        let of = |sql: &str| {
            let mut c = Changed::default();
            c.by(sql);
            c.tables
        };
        let host = 1 << slot("host").expect("watched");
        for sql in ["insert into host (id) values (1)", "update host set a = 1", "delete from host where id = 1"] {
            assert_eq!(of(sql), host, "{sql}");
        }
        assert_eq!(of("insert or ignore into tag (id) values (1)"), 1 << slot("tag").expect("watched"));
        assert_eq!(of("update job_step set a = 1"), 0);
        assert_eq!(of("update"), u64::MAX);
    }

    #[test]
    fn a_list_knows_which_columns_were_written_to() {
        let of = |sql: &str| {
            let mut c = Changed::default();
            c.by(sql);
            c.columns.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
        };
        assert_eq!(
            of("update vm set state = ?, host_id = ?, update_count = update_count + 1 where id = ?"),
            ["state", "host_id", "update_count"]
        );
        assert_eq!(of("update vm set pod_id = coalesce(?, 1), state = case when a = 1 then 2 else 3 end where x = 1"), ["pod_id", "state"]);
        assert!(of("insert into vm (id) values (1)").is_empty() && of("update zone set name = 1").is_empty());
        assert_eq!(of("delete from event where id = 1"), [""]);
        let q = Query::live().eq("account_id", 1);
        let memory = Memory::default();
        let before = memory.sum::<crate::Vm>(&q);
        let write = |sql: &str| {
            let mut c = Changed::default();
            c.by(sql);
            memory.changed(&mut c);
        };
        write("update vm set state = ? where id = ?");
        write("insert into vm (id) values (?)");
        assert_eq!(memory.sum::<crate::Vm>(&q), before);
        write("update vm set removed = ? where id = ?");
        assert_ne!(memory.sum::<crate::Vm>(&q), before);
    }
}
