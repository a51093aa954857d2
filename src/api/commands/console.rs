//! What the web console needs and the 4.3 API has not: a VM's screen (as later releases have it) and capacity over time (our own).
use crate::prelude::*;
use crate::views::console::{CapacitySample, Endpoint, Websocket};
use stratus_engine::capacity_samples::SampleAsk;

/// Opens the console of a running VM: where its screen is, and a ticket that is good once, for a minute.
#[derive(Command)]
#[command(
    name = "createConsoleEndpoint",
    roles = "all",
    answer = "consoleendpoint",
    view = Endpoint,
    event = "VNC.CONNECT",
    since = "4.18"
)]
pub struct CreateConsoleEndpoint {
    /// the ID of the VM
    virtualmachineid: Owned<store::Vm>,
    /// a word of the client's own that the socket would have to repeat
    #[param(kind = "string")]
    token: Refused,
}
impl Run for CreateConsoleEndpoint {
    async fn run(self, call: &Call) -> Result<Answer> {
        let Refused = self.token;
        let vm = self.virtualmachineid.0;
        let token = call.console_ticket(&vm).await?;
        Ok(Answer::one(Endpoint {
            success: true,
            url: format!("/client/#/console/{}", vm.uuid),
            websocket: Websocket { path: "/client/console/ws".into(), token },
        }))
    }
}

/// Lists how full zones were over time, oldest first: samples of the last days, averaged where they are many.
#[derive(Command)]
#[command(name = "listCapacitySamples", roles = "admin,resourceadmin", answer = "capacitysample", view = CapacitySample)]
pub struct ListCapacitySamples {
    /// until then; now if not given
    enddate: Option<Date>,
    /// since then; a day ago if not given
    startdate: Option<Date>,
    /// only of this type, a number as in listCapacity
    #[param(name = "type")]
    kind: Option<i64>,
    /// only of this zone
    zoneid: Option<Ref<store::Zone>>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListCapacitySamples {
    async fn run(self, call: &Call) -> Result<Answer> {
        let end = self.enddate.map_or_else(|| call.clock.now(), |d| d.0);
        let start = self.startdate.map_or(end - 86_400_000_000, |d| d.0);
        if start > end {
            return Err(Error::invalid("startdate", "is after enddate"));
        }
        let found = call.capacity_samples(SampleAsk { zone: self.zoneid.map(|z| z.0.id), kind: self.kind, start, end }).await?;
        let (offset, limit) = self.page.range(call)?;
        let (offset, limit) = (usize::try_from(offset).unwrap_or(usize::MAX), usize::try_from(limit).unwrap_or(usize::MAX));
        let count = found.len() as i64;
        let rows = found.into_iter().skip(offset).take(limit).collect();
        Ok(Answer::list(count, views::console::samples(call, rows).await?))
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<CreateConsoleEndpoint>();
    r.add::<ListCapacitySamples>();
}
