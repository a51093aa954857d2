//! Public ranges of one account (NET-11): only its networks get their addresses, and they get them first.
use crate::ip_range::topic;
use crate::{Call, Engine};
use stratus_model::{Error, Kind, Result};
use stratus_store::{Account, IpAddress, IpRange, Query, Value, Zone};

impl Engine {
    /// Dedicates a public range of an advanced zone to an account.
    pub async fn ip_range_dedicate(&self, call: &Call, id: i64, owner: Account) -> Result<IpRange> {
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let range = tx.must::<IpRange>(id).await?;
                    if !range.for_virtual_network {
                        return Err(Error::invalid("id", "is not a public range"));
                    }
                    if tx.must::<Zone>(range.zone_id).await?.network_type == "Basic" {
                        return Err(Error::invalid("id", "ranges are dedicated in zones of type Advanced only"));
                    }
                    let strangers = Query::all().eq("range_id", id).ne("state", "Free").ne("account_id", owner.id);
                    let used = tx.count::<IpAddress>(strangers).await?;
                    if used > 0 {
                        let why = format!("{used} of its addresses belong to other accounts");
                        return Err(Error::InUse { kind: Kind::VlanIpRange, id: range.uuid, why });
                    }
                    // One conditional statement: of two that dedicate the range at once, the second finds it taken.
                    let open = Query::live().eq("id", id).null("account_id");
                    let set = vec![("account_id", owner.id.into()), ("domain_id", owner.domain_id.into())];
                    if tx.update::<IpRange>(open, set).await? == 0 {
                        return Err(Error::InUse { kind: Kind::VlanIpRange, id: range.uuid, why: "it is dedicated already".into() });
                    }
                    call.log(tx, topic(&call, &range), format!("dedicated IP range {} to account {}", range.uuid, owner.name)).await?;
                    tx.must(id).await
                })
            })
            .await
    }

    /// Opens a dedicated public range to everybody again; addresses in use stay with who has them.
    pub async fn ip_range_open(&self, call: &Call, id: i64) -> Result<()> {
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let range = tx.must::<IpRange>(id).await?;
                    let owned = Query::live().eq("id", id).not_null("account_id").eq("for_virtual_network", true);
                    if tx.update::<IpRange>(owned, vec![("account_id", Value::Null), ("domain_id", Value::Null)]).await? == 0 {
                        return Err(Error::invalid("id", "is not a dedicated public range"));
                    }
                    call.log(tx, topic(&call, &range), format!("IP range {} is open to everybody", range.uuid)).await
                })
            })
            .await
    }
}
