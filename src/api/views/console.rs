use crate::prelude::*;

/// Where a VM's screen is.
#[derive(View)]
pub struct Endpoint {
    /// true: there is a console
    pub success: bool,
    /// the page that shows it
    pub url: String,
    /// the socket that the page opens
    pub websocket: Websocket,
}

/// A socket that speaks RFB.
#[derive(View)]
pub struct Websocket {
    /// its path on this server; the parameter ticket takes the token
    pub path: String,
    /// good once, for a minute
    pub token: String,
}

impl crate::declare::Shown for Websocket {
    const KIND: &'static str = "responseobject";
    fn fields() -> Vec<crate::declare::FieldMeta> {
        <Self as crate::declare::Record>::fields()
    }
    fn json(&self, to: &mut Vec<u8>) {
        crate::declare::Record::json(self, to);
    }
    fn tree(&self) -> serde_json::Value {
        crate::declare::Record::tree(self)
    }
}

/// How full a zone was at one time.
#[derive(View)]
pub struct CapacitySample {
    /// type of the capacity, a number as in listCapacity
    #[view(name = "type", kind = "short")]
    pub kind: i64,
    /// the ID of the zone
    pub zoneid: Option<String>,
    /// the name of the zone
    pub zonename: Option<String>,
    /// what was taken
    pub capacityused: i64,
    /// what there was
    pub capacitytotal: i64,
    /// when
    pub created: Date,
}

pub(crate) async fn samples(call: &Call, rows: Vec<store::CapacitySample>) -> Result<Vec<CapacitySample>> {
    let zones = call.db.by_ids::<store::Zone>(rows.iter().map(|r| r.zone_id)).await?;
    let one = |r: store::CapacitySample| CapacitySample {
        kind: r.kind,
        zoneid: zones.get(&r.zone_id).map(|z| z.uuid.clone()),
        zonename: zones.get(&r.zone_id).map(|z| z.name.clone()),
        capacityused: r.used,
        capacitytotal: r.total,
        created: Date(r.taken),
    };
    Ok(rows.into_iter().map(one).collect())
}
