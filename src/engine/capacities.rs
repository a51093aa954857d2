//! How full the cloud is, by zone, pod or cluster: a handful of aggregate queries, whatever the number of hosts.
use crate::Engine;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use stratus_model::Result;
use stratus_store::{ImageStore, PhysicalNetwork, Pod, Query, StoragePool};

/// Types of capacity by their wire numbers.
#[allow(missing_docs, reason = "each constant is the type it names")]
pub mod kind {
    pub const MEMORY: i64 = 0;
    pub const CPU: i64 = 1;
    pub const STORAGE: i64 = 2;
    pub const STORAGE_ALLOCATED: i64 = 3;
    pub const PUBLIC_IP: i64 = 4;
    pub const PRIVATE_IP: i64 = 5;
    pub const SECONDARY_STORAGE: i64 = 6;
    pub const VLAN: i64 = 7;
    pub const DIRECT_IP: i64 = 8;
    pub const LOCAL_STORAGE: i64 = 9;
}

/// What the figures are summed up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// One figure a type and zone.
    #[default]
    Zone,
    /// One figure a type and pod.
    Pod,
    /// One figure a type and cluster.
    Cluster,
}

/// Which figures are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct CapacityAsk {
    /// Of this zone.
    pub zone: Option<i64>,
    /// Of this pod.
    pub pod: Option<i64>,
    /// Of this cluster.
    pub cluster: Option<i64>,
    /// Of this type, a number of [`kind`].
    pub kind: Option<i64>,
    /// What they are summed up by.
    pub level: Level,
}

/// One figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// A number of [`kind`].
    pub kind: i64,
    /// The zone.
    pub zone: i64,
    /// The pod, at that level and below.
    pub pod: Option<i64>,
    /// The cluster, at that level.
    pub cluster: Option<i64>,
    /// What there is.
    pub total: i64,
    /// What is taken.
    pub used: i64,
}

impl Capacity {
    /// Used of total in percent.
    pub fn percent(&self) -> f64 {
        if self.total > 0 { self.used as f64 * 100.0 / self.total as f64 } else { 0.0 }
    }
}

/// A percentage as answers print it: two decimals at most, none that say nothing.
pub fn percent_text(percent: f64) -> String {
    let text = format!("{percent:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Where something is: zone, pod and cluster, 0 for none.
type Spot = (i64, i64, i64);

#[derive(Default)]
struct Sums(BTreeMap<(Spot, i64), (i64, i64)>);

impl Sums {
    fn add(&mut self, level: Level, (zone, pod, cluster): Spot, kind: i64, total: i64, used: i64) {
        let spot = match level {
            Level::Zone => (zone, 0, 0),
            Level::Pod if pod > 0 => (zone, pod, 0),
            Level::Cluster if cluster > 0 => (zone, pod, cluster),
            // What a whole zone shares is no pod's.
            _ => return,
        };
        let sum = self.0.entry((spot, kind)).or_default();
        *sum = (sum.0.saturating_add(total), sum.1.saturating_add(used));
    }
}

impl Engine {
    /// Figures in the order of zone, pod, cluster and type.
    pub async fn capacity_list(&self, ask: CapacityAsk) -> Result<Vec<Capacity>> {
        let mut sums = Sums::default();
        self.sum_hosts(&ask, &mut sums).await?;
        self.sum_pools(&ask, &mut sums).await?;
        if ask.cluster.is_none() {
            self.sum_addresses(&ask, &mut sums).await?;
        }
        if ask.cluster.is_none() && ask.pod.is_none() {
            self.sum_zone_wide(&ask, &mut sums).await?;
        }
        let some = |id: i64| (id > 0).then_some(id);
        Ok(sums
            .0
            .into_iter()
            .filter(|((_, kind), _)| ask.kind.is_none_or(|k| k == *kind))
            .map(|(((zone, pod, cluster), kind), (total, used))| Capacity {
                kind,
                zone,
                pod: some(pod),
                cluster: some(cluster),
                total,
                used,
            })
            .collect())
    }

    async fn sum_hosts(&self, ask: &CapacityAsk, sums: &mut Sums) -> Result<()> {
        let sql = stratus_store::sql!(
            "select zone_id, pod_id, cluster_id, cast(sum(cpu_total) as signed), cast(sum(cpu_used) as signed), \
             cast(sum(memory_total) as signed), cast(sum(memory_used) as signed) from host_capacity \
             where (? = 0 or zone_id = ?) and (? = 0 or pod_id = ?) and (? = 0 or cluster_id = ?) group by zone_id, pod_id, cluster_id"
        );
        let args = [ask.zone, ask.pod, ask.cluster].into_iter().flat_map(|id| [id.unwrap_or(0).into(), id.unwrap_or(0).into()]);
        for row in self.db.rows(sql, args.collect()).await? {
            let spot = (row.get(0)?, row.get(1)?, row.get(2)?);
            sums.add(ask.level, spot, kind::CPU, row.get(3)?, row.get(4)?);
            sums.add(ask.level, spot, kind::MEMORY, row.get(5)?, row.get(6)?);
        }
        Ok(())
    }

    async fn sum_pools(&self, ask: &CapacityAsk, sums: &mut Sums) -> Result<()> {
        let q = Query::live().eq_opt("zone_id", ask.zone).eq_opt("pod_id", ask.pod).eq_opt("cluster_id", ask.cluster);
        for p in self.db.find::<StoragePool>(q).await? {
            let spot = (p.zone_id, p.pod_id.unwrap_or(0), p.cluster_id.unwrap_or(0));
            if p.scope == "HOST" {
                sums.add(ask.level, spot, kind::LOCAL_STORAGE, p.capacity_bytes, p.used_bytes);
                continue;
            }
            sums.add(ask.level, spot, kind::STORAGE, p.capacity_bytes, p.used_bytes);
            // What may be given away is more than what is there, by this factor; the reservation asks the same setting.
            let factor = self.settings.factor("storage.overprovisioning.factor", "storagepool", p.id);
            sums.add(ask.level, spot, kind::STORAGE_ALLOCATED, (p.capacity_bytes as f64 * factor) as i64, p.used_bytes);
        }
        Ok(())
    }

    async fn sum_addresses(&self, ask: &CapacityAsk, sums: &mut Sums) -> Result<()> {
        let sql = stratus_store::sql!(
            "select a.zone_id, coalesce(a.pod_id, 0), r.for_virtual_network, count(*), \
             cast(sum(case when a.state = 'Free' then 0 else 1 end) as signed) \
             from ip_address a join ip_range r on r.id = a.range_id where r.removed is null \
             and (? = 0 or a.zone_id = ?) and (? = 0 or a.pod_id = ?) group by a.zone_id, coalesce(a.pod_id, 0), r.for_virtual_network"
        );
        let args = [ask.zone, ask.pod].into_iter().flat_map(|id| [id.unwrap_or(0).into(), id.unwrap_or(0).into()]);
        for row in self.db.rows(sql, args.collect()).await? {
            let kind = if row.get::<bool>(2)? { kind::PUBLIC_IP } else { kind::DIRECT_IP };
            sums.add(ask.level, (row.get(0)?, row.get(1)?, 0), kind, row.get(3)?, row.get(4)?);
        }
        for pod in self.db.find::<Pod>(Query::live().eq_opt("zone_id", ask.zone).eq_opt("id", ask.pod)).await? {
            let number = |t: &str| t.parse::<Ipv4Addr>().map(|a| i64::from(u32::from(a))).unwrap_or(0);
            let total = number(&pod.end_ip) - number(&pod.start_ip) + 1;
            // System VMs would take these; there are none, routers have no machine of their own.
            sums.add(ask.level, (pod.zone_id, pod.id, 0), kind::PRIVATE_IP, total, 0);
        }
        Ok(())
    }

    async fn sum_zone_wide(&self, ask: &CapacityAsk, sums: &mut Sums) -> Result<()> {
        for s in self.db.find::<ImageStore>(Query::live().not_null("zone_id").eq_opt("zone_id", ask.zone)).await? {
            sums.add(ask.level, (s.zone_id.unwrap_or(0), 0, 0), kind::SECONDARY_STORAGE, s.total_bytes, s.used_bytes);
        }
        for p in self.db.find::<PhysicalNetwork>(Query::live().not_null("vlan").eq_opt("zone_id", ask.zone)).await? {
            let vlans = p.vlan.as_deref().unwrap_or_default().split(',').map(vlans_in).sum();
            sums.add(ask.level, (p.zone_id, 0, 0), kind::VLAN, vlans, 0);
        }
        let sql = stratus_store::sql!(
            "select zone_id, count(distinct vlan) from network where removed is null and guest_type = 'Isolated' and vlan is not null \
             and (? = 0 or zone_id = ?) group by zone_id"
        );
        let zone = ask.zone.unwrap_or(0);
        for row in self.db.rows(sql, vec![zone.into(), zone.into()]).await? {
            sums.add(ask.level, (row.get(0)?, 0, 0), kind::VLAN, 0, row.get(1)?);
        }
        Ok(())
    }
}

/// How many VLANs `100-200` or `300` are.
fn vlans_in(range: &str) -> i64 {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    match (first.trim().parse::<i64>(), last.trim().parse::<i64>()) {
        (Ok(a), Ok(b)) if a <= b => b - a + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_say_no_more_than_they_know() {
        assert_eq!(percent_text(0.0), "0");
        assert_eq!(percent_text(12.5), "12.5");
        assert_eq!(percent_text(100.0), "100");
        assert_eq!(percent_text(33.333), "33.33");
    }

    #[test]
    fn a_vlan_range_counts_both_ends() {
        assert_eq!(vlans_in("100-200"), 101);
        assert_eq!(vlans_in("7"), 1);
        assert_eq!(vlans_in("x"), 0);
    }
}
