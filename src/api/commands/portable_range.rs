//! Ranges of portable addresses. None of their addresses is handed out yet: `associateIpAddress` refuses `isportable=true`.
use crate::prelude::*;
use crate::views::portable_range::{PortableRange, of};
use stratus_engine::portable_range::PortableRangeCreate;

found!(PortableIpRange => Kind::PortableIpRange);

/// Makes a range of portable addresses of a region.
#[derive(Command)]
#[command(
    name = "createPortableIpRange",
    roles = "admin",
    since = "4.2",
    answer = "portableiprange",
    view = PortableRange,
    event = "PORTABLE.IP.RANGE.CREATE",
    job = "creating a portable IP range",
    create
)]
pub struct Make {
    /// the last address
    endip: String,
    /// the gateway
    gateway: String,
    /// the netmask
    netmask: String,
    /// the number of the region
    regionid: i64,
    /// the first address
    startip: String,
    /// its VLAN; untagged when left out
    vlan: Option<String>,
}
impl Create for Make {
    async fn create(self, call: &Call, job: JobDraft) -> Result<Created> {
        let ask = PortableRangeCreate {
            region: self.regionid,
            vlan: self.vlan,
            gateway: self.gateway,
            netmask: self.netmask,
            start_ip: self.startip,
            end_ip: self.endip,
        };
        let (row, job) = call.portable_range_create(call, ask, job).await?;
        Ok(Created { job, uuid: row.uuid })
    }
    async fn finish(call: &Call, id: i64) -> Result<Answer> {
        views::one(of(vec![call.db.must(id).await?]))
    }
}

/// Lists ranges of portable addresses.
#[derive(Command)]
#[command(name = "listPortableIpRanges", roles = "admin", answer = "portableiprange", view = PortableRange, since = "4.2", wrapper = "listportableipresponse")]
pub struct List {
    /// only the range with this ID
    id: Option<Ref<store::PortableIpRange>>,
    /// only those of the region with this number
    regionid: Option<i64>,
    #[param(flatten)]
    page: Paging,
}
impl Run for List {
    async fn run(self, call: &Call) -> Result<Answer> {
        let page = self.page.range(call)?;
        let found = call.portable_range_list(self.id.map(|r| r.0.id), self.regionid, self.page.keyword.as_deref(), page).await?;
        Ok(Answer::list(found.count, of(found.rows)))
    }
}

/// Removes a range of portable addresses.
#[derive(Command)]
#[command(
    name = "deletePortableIpRange",
    roles = "admin",
    since = "4.2",
    event = "PORTABLE.IP.RANGE.DELETE",
    job = "deleting a portable IP range",
    on = "id",
    wrapper = "deleteportablepublicipresponse"
)]
pub struct Delete {
    /// the ID of the range
    id: Ref<store::PortableIpRange>,
}
impl Run for Delete {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.portable_range_delete(self.id.0.id).await?;
        Ok(Answer::success())
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<Make>();
    r.add::<List>();
    r.add::<Delete>();
}
