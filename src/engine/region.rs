//! Regions: clouds that know of each other. This server's own is the first.
use crate::{Call, Engine, Listing, Topic};
use stratus_model::{Error, Kind, Result};
use stratus_store::{Query, Region};

/// The number of this server's own region.
const OWN: i64 = 1;

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

    /// The region with this number.
    pub async fn region_numbered(&self, number: i64) -> Result<Region> {
        let found = self.db.find_one::<Region>(Query::live().eq("number", number)).await?;
        found.ok_or_else(|| Error::not_found(Kind::Region, number.to_string()))
    }

    /// Makes a region known.
    pub async fn region_add(&self, call: &Call, number: i64, name: String, end_point: String) -> Result<Region> {
        if number < 1 {
            return Err(Error::invalid("id", "regions are numbered from 1"));
        }
        checked(&name, &end_point)?;
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let same = [Query::all().eq("number", number), Query::all().eq("name", name.as_str())];
                    if tx.count::<Region>(Query::live().any(same)).await? > 0 {
                        return Err(Error::Duplicate { kind: Kind::Region, name: format!("{number} or {name}") });
                    }
                    let mut r = Region { number, name, end_point, created: call.now(), ..Default::default() };
                    tx.insert(&mut r).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::Region, r.id), format!("made region {} known", r.name)).await?;
                    Ok(r)
                })
            })
            .await
    }

    /// Renames a region or tells where its API is.
    pub async fn region_update(&self, call: &Call, r: Region, name: Option<String>, end_point: Option<String>) -> Result<Region> {
        let (name, end_point) = (name.unwrap_or(r.name), end_point.unwrap_or(r.end_point));
        checked(&name, &end_point)?;
        let (call, id) = (call.clone(), r.id);
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    if tx.count::<Region>(Query::live().eq("name", name.as_str()).ne("id", id)).await? > 0 {
                        return Err(Error::Duplicate { kind: Kind::Region, name });
                    }
                    tx.set::<Region>(id, vec![("name", name.as_str().into()), ("end_point", end_point.into())]).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::Region, id), format!("changed region {name}")).await?;
                    tx.must(id).await
                })
            })
            .await
    }

    /// Forgets a region; this server's own stays.
    pub async fn region_remove(&self, call: &Call, r: Region) -> Result<()> {
        if r.number == OWN {
            return Err(Error::invalid("id", "this server's own region cannot be removed"));
        }
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.remove::<Region>(r.id, call.now()).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::Region, r.id), format!("forgot region {}", r.name)).await
                })
            })
            .await
    }
}

fn checked(name: &str, end_point: &str) -> Result<()> {
    crate::account::checked_name("name", name)?;
    if !(end_point.starts_with("http://") || end_point.starts_with("https://")) {
        return Err(Error::invalid("endpoint", format!("'{end_point}' is not an http or https URL")));
    }
    Ok(())
}
