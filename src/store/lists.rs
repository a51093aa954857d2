//! Long lists: the keys of what fits a condition, kept while they are true, so that counting and the last page cost what the first
//! page does.
//!
//! `count(*)` and `offset` walk over everything before them. Here the keys of a list of at least [`LONG`] rows stay in memory (8 bytes
//! each); the count is their number and a page is a slice of them, read by key. A list stays true while none of the columns that its
//! conditions name is written to in a row that was there; what was added since is behind the last key and is read from there. The
//! writer notes table and columns of every statement (`memory.rs`), so nobody has to remember to say so.
//!
//! On a server of MySQL's protocol others write too: there a list is counted and paged by the database, over covering indexes.
use crate::memory::{Memory, Sum};
use crate::{Query, Table, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use stratus_model::Result;

/// Rows from which on the keys of a list are kept.
const LONG: usize = 1_000;
/// Keys kept in all; then all lists are forgotten.
const MOST: usize = 2_000_000;

struct Kept {
    sum: Sum,
    ids: Arc<Vec<i64>>,
}

/// The lists of a database.
#[derive(Default)]
pub(crate) struct Lists(Mutex<HashMap<List, Kept>>);

/// A list: its table, its condition and what stands in it.
type List = (&'static str, String, Vec<Value>);

impl Lists {
    /// The keys of the rows that fit, in their order. `read` reads those that fit a query.
    pub(crate) fn ids<T: Table>(&self, memory: &Memory, q: &Query, read: impl Fn(&Query) -> Result<Vec<i64>>) -> Result<Arc<Vec<i64>>> {
        let lists = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken before reading: what is written meanwhile makes this a list of a state that is over.
        let Some(sum) = memory.sum::<T>(q) else { return Ok(Arc::new(sorted(read(q)?))) };
        let (conditions, args) = q.conditions();
        let key = (T::NAME, conditions.to_owned(), args.to_vec());
        let kept = lists().get(&key).filter(|k| k.sum == sum).map(|k| k.ids.clone());
        let ids = match kept {
            Some(ids) => {
                let last = ids.last().copied().unwrap_or(0);
                let new = sorted(read(&q.clone().above("id", last))?);
                if new.is_empty() {
                    return Ok(ids);
                }
                Arc::new([&ids[..], &new].concat())
            }
            None => Arc::new(sorted(read(q)?)),
        };
        if ids.len() >= LONG {
            let mut lists = lists();
            lists.insert(key, Kept { sum, ids: ids.clone() });
            if lists.values().map(|k| k.ids.len()).sum::<usize>() > MOST {
                lists.clear();
            }
        }
        Ok(ids)
    }
}

fn sorted(mut ids: Vec<i64>) -> Vec<i64> {
    // An index over more than the key gives them in runs.
    ids.sort();
    ids
}

/// The part of a list's keys that a page shows.
pub(crate) fn page(ids: &[i64], descending: bool, offset: i64, limit: i64) -> &[i64] {
    let n = ids.len() as i64;
    let first = offset.clamp(0, n);
    let last = offset.saturating_add(limit).clamp(first, n);
    let (first, last) = if descending { (n - last, n - first) } else { (first, last) };
    &ids[first as usize..last as usize]
}

#[cfg(test)]
mod tests {
    use super::page;

    #[test]
    fn a_page_is_a_slice_from_either_end() {
        let ids = [1, 2, 3, 4, 5];
        assert_eq!(page(&ids, false, 0, 2), [1, 2]);
        assert_eq!(page(&ids, false, 4, 2), [5]);
        assert_eq!(page(&ids, true, 0, 2), [4, 5]);
        assert_eq!(page(&ids, true, 4, 2), [1]);
        assert!(page(&ids, false, 9, 2).is_empty());
        assert_eq!(page(&ids, true, 0, i64::MAX), ids);
    }
}
