//! What was read and is still true: rows of tables that are read all the time and change rarely, kept until somebody writes to their
//! table.
//!
//! Nobody has to remember to invalidate: the writer knows from each statement which table it changes, and moves that table's number on
//! after the commit and before anybody hears of it. A result is kept with the number that was read before it, and served while the
//! number stays. Inside a write transaction nothing is served from here.
//!
//! This holds where one process writes: on SQLite. A server of MySQL's protocol is written by several management servers, so there
//! nothing is kept and every read asks the database.
use crate::{Table, Value};
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
const SPARSE: [&str; 7] =
    ["affinity_member", "affinity_host", "tag", "resource_detail", "vm_snapshot", "volume_store", "nic_secondary_ip"];

/// Results kept at most; then all are forgotten.
const MOST: usize = 8192;
/// Rows of a result that is kept.
const LONGEST: usize = 500;

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
    while i < STEADY.len() + SPARSE.len() {
        if same(table, if i < STEADY.len() { STEADY[i] } else { SPARSE[i - STEADY.len()] }) {
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
}

impl Changed {
    /// Notes the table that a statement writes to; all of them for a statement that is not understood.
    pub(crate) fn by(&mut self, sql: &str) {
        let mut words = sql.split_ascii_whitespace().skip_while(|w| {
            ["insert", "or", "ignore", "into", "update", "delete", "from", "replace"].iter().any(|k| w.eq_ignore_ascii_case(k))
        });
        self.any = true;
        match words.next() {
            Some(table) => self.tables |= slot(table).map_or(0, |i| 1 << i),
            None => self.tables = u64::MAX,
        }
    }
}

#[derive(PartialEq, Eq, Hash)]
pub(crate) enum What {
    Id(i64),
    Query(String, Vec<Value>),
}

type Key = (usize, What);
type Kept = (u64, Arc<dyn Any + Send + Sync>);

pub(crate) struct Memory {
    written: AtomicU64,
    tables: [AtomicU64; STEADY.len() + SPARSE.len()],
    kept: Mutex<HashMap<Key, Kept>>,
    /// The number at which a sparse table was empty, and one more.
    empty: [AtomicU64; SPARSE.len()],
}

impl Default for Memory {
    fn default() -> Self {
        let zero = |_| AtomicU64::new(0);
        Self { written: AtomicU64::new(0), tables: std::array::from_fn(zero), kept: Mutex::default(), empty: std::array::from_fn(zero) }
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
        for name in STEADY.iter().chain(&SPARSE) {
            assert!(crate::tables().iter().any(|t| t.name == *name), "{name}");
        }
        assert!(STEADY.len() + SPARSE.len() < 64);
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
        assert_eq!(of("update vm set a = 1"), 0);
        assert_eq!(of("update"), u64::MAX);
    }
}
