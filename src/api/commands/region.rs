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

fn one(r: store::Region) -> Result<Answer> {
    views::one(views::region::of(vec![r]))
}

/// Makes another region known.
#[derive(Command)]
#[command(name = "addRegion", roles = "admin", answer = "region", view = views::region::Region, since = "4.1", event = "REGION.CREATE")]
pub struct AddRegion {
    /// where the region's API is
    endpoint: String,
    /// the number of the region
    id: i64,
    /// the name of the region
    name: String,
}
impl Run for AddRegion {
    async fn run(self, call: &Call) -> Result<Answer> {
        one(call.region_add(call, self.id, self.name, self.endpoint).await?)
    }
}

/// Changes a region.
#[derive(Command)]
#[command(name = "updateRegion", roles = "admin", answer = "region", view = views::region::Region, since = "4.1", event = "REGION.UPDATE")]
pub struct UpdateRegion {
    /// the number of the region
    id: i64,
    /// where its API is
    endpoint: Option<String>,
    /// its new name
    name: Option<String>,
}
impl Run for UpdateRegion {
    async fn run(self, call: &Call) -> Result<Answer> {
        let region = call.region_numbered(self.id).await?;
        one(call.region_update(call, region, self.name, self.endpoint).await?)
    }
}

/// Forgets a region.
#[derive(Command)]
#[command(name = "removeRegion", roles = "admin", since = "4.1", event = "REGION.DELETE")]
pub struct RemoveRegion {
    /// the number of the region
    id: i64,
}
impl Run for RemoveRegion {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.region_remove(call, call.region_numbered(self.id).await?).await?;
        Ok(Answer::success())
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<ListRegions>();
    r.add::<AddRegion>();
    r.add::<UpdateRegion>();
    r.add::<RemoveRegion>();
}
