use crate::prelude::*;
use stratus_engine::domain::shown_path;

/// A domain.
#[derive(View)]
pub struct Domain {
    /// the ID of the domain
    pub id: String,
    /// the name of the domain
    pub name: String,
    /// how far the domain is below ROOT
    pub level: i32,
    /// the ID of the domain above
    pub parentdomainid: Option<String>,
    /// the name of the domain above
    pub parentdomainname: Option<String>,
    /// whether there are domains below
    pub haschild: bool,
    /// the DNS suffix of networks in the domain
    pub networkdomain: Option<String>,
    /// the names from ROOT down to the domain, with slashes between
    pub path: String,
}

pub(crate) async fn of(call: &Call, rows: Vec<store::Domain>) -> Result<Vec<Domain>> {
    let parents = call.db.by_ids::<store::Domain>(rows.iter().filter_map(|d| d.parent_id)).await?;
    let ids: Vec<i64> = rows.iter().map(|d| d.id).collect();
    let with_children = call.domains_with_children(&ids).await?;
    let one = |d: store::Domain| {
        let parent = d.parent_id.and_then(|p| parents.get(&p));
        Domain {
            level: i32::try_from(d.level).unwrap_or(i32::MAX),
            parentdomainid: parent.map(|p| p.uuid.clone()),
            parentdomainname: parent.map(|p| p.name.clone()),
            haschild: with_children.contains(&d.id),
            path: shown_path(&d.path),
            id: d.uuid,
            name: d.name,
            networkdomain: d.network_domain,
        }
    };
    Ok(rows.into_iter().map(one).collect())
}
