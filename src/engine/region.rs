//! Regions: clouds that know of each other. This server's own is the first.
use crate::{Engine, Listing};
use stratus_model::Result;
use stratus_store::{Query, Region};

/// Which regions to list.
#[derive(Debug, Clone, Default)]
pub struct RegionFilter {
    /// The one with this number.
    pub number: Option<i64>,
    /// With this name.
    pub name: Option<String>,
    /// With this in the name.
    pub keyword: Option<String>,
    /// Offset and limit.
    pub page: (i64, i64),
}

impl Engine {
    /// Regions.
    pub async fn region_list(&self, f: RegionFilter) -> Result<Listing<Region>> {
        let mut q = Query::live().eq_opt("number", f.number).eq_opt("name", f.name);
        if let Some(k) = &f.keyword {
            q = q.holds(&["name"], k);
        }
        let (offset, limit) = f.page;
        Ok(Listing { count: self.db.count::<Region>(q.clone()).await?, rows: self.db.find(q.order("number").page(offset, limit)).await? })
    }
}
