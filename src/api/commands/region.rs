//! Regions.
use crate::prelude::*;
use stratus_engine::region::RegionFilter;

/// Lists regions.
#[derive(Command)]
#[command(name = "listRegions", roles = "all", answer = "region", view = views::region::Region, since = "4.1")]
pub struct ListRegions {
    /// only the region with this number
    id: Option<i64>,
    /// only regions with this name
    name: Option<String>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListRegions {
    async fn run(self, call: &Call) -> Result<Answer> {
        let page = self.page.range(call)?;
        let found = call.region_list(RegionFilter { number: self.id, name: self.name, keyword: self.page.keyword, page }).await?;
        Ok(Answer::list(found.count, views::region::of(found.rows)))
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<ListRegions>();
}
