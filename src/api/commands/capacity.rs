//! How full the cloud is.
use crate::prelude::*;
use stratus_engine::capacities::{Capacity, CapacityAsk, Level};

/// Lists how full zones, pods or clusters are.
#[derive(Command)]
#[command(name = "listCapacity", roles = "admin,resourceadmin", answer = "capacity", view = views::capacity::Capacity)]
pub struct ListCapacity {
    /// only of this cluster
    #[param(since = "3.0")]
    clusterid: Option<Ref<store::Cluster>>,
    /// changes nothing: figures are always the latest
    #[param(kind = "boolean", since = "3.0")]
    fetchlatest: Ignored,
    /// only of this pod
    podid: Option<Ref<store::Pod>>,
    /// usage for the fullest first, a level below what is asked about
    #[param(since = "3.0")]
    sortby: Option<String>,
    /// only of this type
    #[param(name = "type")]
    kind: Option<i64>,
    /// only of this zone
    zoneid: Option<Ref<store::Zone>>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListCapacity {
    async fn run(self, call: &Call) -> Result<Answer> {
        let Ignored = self.fetchlatest;
        let (zone, pod, cluster) = (self.zoneid.map(|z| z.0.id), self.podid.map(|p| p.0.id), self.clusterid.map(|c| c.0.id));
        let by_usage = match self.sortby.as_deref() {
            None => false,
            Some(s) if s.eq_ignore_ascii_case("usage") => true,
            Some(other) => return Err(Error::invalid("sortby", format!("is usage, not '{other}'"))),
        };
        let level = match (cluster, pod, zone, by_usage) {
            (Some(_), ..) | (None, Some(_), _, true) => Level::Cluster,
            (None, Some(_), _, false) | (None, None, Some(_), true) => Level::Pod,
            _ => Level::Zone,
        };
        let mut all = call.capacity_list(CapacityAsk { zone, pod, cluster, kind: self.kind, level }).await?;
        if by_usage {
            all.sort_by(|a: &Capacity, b| b.percent().total_cmp(&a.percent()));
        }
        let (offset, limit) = self.page.range(call)?;
        let (offset, limit) = (usize::try_from(offset).unwrap_or(usize::MAX), usize::try_from(limit).unwrap_or(usize::MAX));
        let count = all.len() as i64;
        let page = all.into_iter().skip(offset).take(limit).collect();
        Ok(Answer::list(count, views::capacity::of(call, page).await?))
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<ListCapacity>();
}
