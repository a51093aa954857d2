//! Ids of the AWS doors that were read once. An id stays with its thing for good but for [`crate::Engine::ec2_id_move`], so lists need
//! not read it again for each answer. Only where this process is the database's one writer: another's moves would not be heard of.
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most ids that are kept, a hundred bytes or so each; what comes after that begins anew.
const MOST: usize = 100_000;

/// Ids by kind and uuid.
pub type ByKind = HashMap<String, HashMap<String, String>>;

#[derive(Default)]
struct Known {
    /// Counts moves: what was read before one is not kept after it.
    turn: u64,
    ids: ByKind,
    count: usize,
}

/// What is known.
#[derive(Default)]
pub struct KnownIds(Mutex<Known>);

impl KnownIds {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves known ids of a kind into `found`; the uuids that are left, and the turn in which this was asked.
    pub(crate) fn take_known(&self, kind: &str, uuids: Vec<String>, found: &mut HashMap<String, String>) -> (Vec<String>, u64) {
        let known = self.known();
        let Some(ids) = known.ids.get(kind) else { return (uuids, known.turn) };
        let mut left = Vec::new();
        for uuid in uuids {
            match ids.get(&uuid) {
                Some(id) => drop(found.insert(uuid, id.clone())),
                None => left.push(uuid),
            }
        }
        (left, known.turn)
    }

    /// Keeps what was read in a turn.
    pub(crate) fn keep<'a>(&self, turn: u64, kind: &str, ids: impl Iterator<Item = (&'a String, &'a String)>) {
        let mut known = self.known();
        if known.turn != turn {
            return;
        }
        let Known { ids: by_kind, count, .. } = &mut *known;
        if *count > MOST {
            (*by_kind, *count) = Default::default();
        }
        let of_kind = by_kind.entry(kind.to_owned()).or_default();
        let before = of_kind.len();
        of_kind.extend(ids.map(|(uuid, id)| (uuid.clone(), id.clone())));
        *count += of_kind.len() - before;
    }

    /// Begins anew: an id was moved.
    pub(crate) fn forget(&self) {
        let mut known = self.known();
        *known = Known { turn: known.turn + 1, ..Default::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_move_is_not_kept_after_it() {
        let known = KnownIds::default();
        let asked = || vec!["a".to_owned(), "b".to_owned()];
        let ids = HashMap::from([("a".to_owned(), "i-1".to_owned())]);
        let mut found = HashMap::new();
        let (left, turn) = known.take_known("i", asked(), &mut found);
        assert_eq!((left, found.len()), (asked(), 0));
        known.keep(turn, "i", ids.iter());
        let (left, _) = known.take_known("i", asked(), &mut found);
        assert_eq!((left, found), (vec!["b".to_owned()], ids.clone()));
        assert_eq!(known.take_known("vol", asked(), &mut HashMap::new()).0, asked(), "kinds have ids of their own");
        known.forget();
        known.keep(turn, "i", ids.iter());
        assert_eq!(known.take_known("i", asked(), &mut HashMap::new()).0, asked());
    }
}
