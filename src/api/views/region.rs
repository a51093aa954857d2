use crate::prelude::*;

/// A region.
#[derive(View)]
pub struct Region {
    /// the number of the region
    #[view(kind = "integer")]
    pub id: i64,
    /// the name of the region
    pub name: String,
    /// where the region's API is
    pub endpoint: String,
    /// whether global load balancing is on
    pub gslbserviceenabled: bool,
    /// whether addresses can move between its zones
    pub portableipserviceenabled: bool,
}

pub(crate) fn of(rows: Vec<store::Region>) -> Vec<Region> {
    let one = |r: store::Region| Region {
        id: r.number,
        name: r.name,
        endpoint: r.end_point,
        gslbserviceenabled: false,
        portableipserviceenabled: false,
    };
    rows.into_iter().map(one).collect()
}
