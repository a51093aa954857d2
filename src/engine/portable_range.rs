//! Ranges of portable addresses of a region: kept apart from every zone's public ranges. No address of one is handed out yet, so all of
//! them are free.
use crate::addresses::{overlap, parse, subnet_span};
use crate::network::vlan_word;
use crate::{Call, Engine, JobDraft, Listing, Topic};
use stratus_model::{Error, Kind, Result, net};
use stratus_store::{IpRange, Job, PortableIpRange, Query, Region, Tx};
use uuid::Uuid;

/// A range that is to be made.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each is the parameter of createPortableIpRange of its name")]
pub struct PortableRangeCreate {
    pub region: i64,
    pub vlan: Option<String>,
    pub gateway: String,
    pub netmask: String,
    pub start_ip: String,
    pub end_ip: String,
}

fn topic(call: &Call, r: &PortableIpRange) -> Topic {
    Topic::of_caller(call, Kind::PortableIpRange, r.id)
}

/// The addresses of a range in order, but for its gateway.
pub fn addresses_of(r: &PortableIpRange) -> Vec<String> {
    let ends = parse("startip", &r.start_ip).and_then(|a| Ok((a, parse("endip", &r.end_ip)?)));
    let all = ends.map(|(a, b)| net::range(a, b).map(|ip| ip.to_string()).collect::<Vec<_>>()).unwrap_or_default();
    all.into_iter().filter(|ip| *ip != r.gateway).collect()
}

impl Engine {
    /// Makes a range, with the job that answers with it.
    pub async fn portable_range_create(&self, call: &Call, ask: PortableRangeCreate, job: JobDraft) -> Result<(PortableIpRange, Job)> {
        let region = self.region_numbered(ask.region).await?;
        let (first, last) = subnet_span(&ask.gateway, &ask.netmask, &ask.start_ip, &ask.end_ip)?;
        let mut row = PortableIpRange {
            uuid: Uuid::new_v4().to_string(),
            region_id: ask.region,
            vlan: ask.vlan.as_deref().map(vlan_word).transpose()?.unwrap_or_else(|| "untagged".into()),
            gateway: parse("gateway", &ask.gateway)?.to_string(),
            netmask: parse("netmask", &ask.netmask)?.to_string(),
            start_ip: first.to_string(),
            end_ip: last.to_string(),
            created: call.now(),
            ..Default::default()
        };
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    // Held, so that two ranges that share addresses are made one after the other.
                    tx.take::<Region>(Query::live().eq("id", region.id), "name = name", Vec::new()).await?;
                    refuse_overlap(tx, &row).await?;
                    tx.insert(&mut row).await?;
                    let job = job.insert(tx, &call, topic(&call, &row)).await?;
                    Ok((row, job))
                })
            })
            .await
    }

    /// Lists ranges.
    pub async fn portable_range_list(
        &self,
        id: Option<i64>,
        region: Option<i64>,
        keyword: Option<&str>,
        page: (i64, i64),
    ) -> Result<Listing<PortableIpRange>> {
        let mut q = Query::live().eq_opt("id", id).eq_opt("region_id", region);
        if let Some(k) = keyword {
            q = q.holds(&["vlan", "start_ip", "end_ip"], k);
        }
        let count = self.db.count::<PortableIpRange>(q.clone()).await?;
        Ok(Listing { rows: self.db.find(q.page(page.0, page.1)).await?, count })
    }

    /// Removes a range.
    pub async fn portable_range_delete(&self, id: i64) -> Result<()> {
        let now = self.clock.now();
        self.db.write(move |tx| Box::pin(async move { tx.remove::<PortableIpRange>(id, now).await.map(drop) })).await
    }
}

/// Refuses addresses that another portable range or a public range of a zone has.
async fn refuse_overlap(tx: &mut Tx, row: &PortableIpRange) -> Result<()> {
    let mut others = Vec::new();
    for r in tx.find::<PortableIpRange>(Query::live()).await? {
        others.push(("the portable range", r.uuid, r.start_ip, r.end_ip));
    }
    for r in tx.find::<IpRange>(crate::public_address::public_ranges()).await? {
        others.push(("the public range", r.uuid, r.start_ip.unwrap_or_default(), r.end_ip.unwrap_or_default()));
    }
    match others.iter().find(|(_, _, a, b)| overlap((&row.start_ip, &row.end_ip), (a, b))) {
        None => Ok(()),
        Some((what, uuid, a, b)) => {
            Err(Error::invalid("startip", format!("{}-{} overlaps {what} {a}-{b} ({uuid})", row.start_ip, row.end_ip)))
        }
    }
}
