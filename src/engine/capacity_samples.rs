//! How full the cloud was: a figure a type and zone every few minutes, kept for a while, for charts.
use crate::Engine;
use crate::capacities::CapacityAsk;
use std::collections::BTreeMap;
use stratus_model::{Micros, Result};
use stratus_store::{CapacitySample, Query};

/// Microseconds that samples are kept.
const KEPT: i64 = 8 * 24 * 3600 * 1_000_000;
/// Points of a line at most: more than a chart has room for says nothing.
const POINTS: i64 = 200;

/// Which samples are asked for.
#[derive(Debug, Clone, Copy)]
pub struct SampleAsk {
    /// Of this zone.
    pub zone: Option<i64>,
    /// Of this type, a number of [`crate::capacities::kind`].
    pub kind: Option<i64>,
    /// From when, in microseconds.
    pub start: Micros,
    /// Until when.
    pub end: Micros,
}

impl Engine {
    /// Microseconds between two samples: as often as capacity is looked at.
    pub fn capacity_sample_period(&self) -> i64 {
        self.settings.number("capacity.check.period").max(1000) * 1000
    }

    /// Writes a sample of every figure and forgets old ones; how many were written. Another server's sample of just now is enough.
    pub async fn capacity_sample(&self) -> Result<u64> {
        let now = self.clock.now();
        let recent = now - self.capacity_sample_period() / 2;
        if self.db.count::<CapacitySample>(Query::all().at_least("taken", recent)).await? > 0 {
            return Ok(0);
        }
        let rows: Vec<CapacitySample> = self
            .capacity_list(CapacityAsk::default())
            .await?
            .into_iter()
            .map(|c| CapacitySample { id: 0, zone_id: c.zone, kind: c.kind, used: c.used, total: c.total, taken: now })
            .collect();
        let written = rows.len() as u64;
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.delete::<CapacitySample>(Query::all().at_most("taken", now - KEPT)).await?;
                    if rows.is_empty() { Ok(()) } else { tx.insert_all(&rows).await }
                })
            })
            .await?;
        Ok(written)
    }

    /// Samples in the order of time. Of a long period neighbours are averaged, so that a line has some hundred points at most.
    pub async fn capacity_samples(&self, ask: SampleAsk) -> Result<Vec<CapacitySample>> {
        let q = Query::all().at_least("taken", ask.start).at_most("taken", ask.end).eq_opt("zone_id", ask.zone).eq_opt("kind", ask.kind);
        let width = ((ask.end - ask.start) / POINTS).max(1);
        let mut sums: BTreeMap<(i64, i64, i64), (i128, i64, CapacitySample)> = BTreeMap::new();
        for row in self.db.find::<CapacitySample>(q.order("taken")).await? {
            let bucket = (row.taken - ask.start) / width;
            let sum = sums.entry((bucket, row.zone_id, row.kind)).or_insert_with(|| (0, 0, row.clone()));
            *sum = (sum.0 + i128::from(row.used), sum.1 + 1, row);
        }
        let mean = |(used, n, last): (i128, i64, CapacitySample)| CapacitySample { used: (used / i128::from(n)) as i64, ..last };
        Ok(sums.into_values().map(mean).collect())
    }
}
