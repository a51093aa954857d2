//! Usage. The server that sums it up is not there yet; what it will tell apart is.
use crate::prelude::*;

/// What usage records can be about: number and meaning.
const TYPES: &[(i64, &str)] = &[
    (1, "Running VM Usage"),
    (2, "Allocated VM Usage"),
    (3, "IP Address Usage"),
    (4, "Network Usage (Bytes Sent)"),
    (5, "Network Usage (Bytes Received)"),
    (6, "Volume Usage"),
    (7, "Template Usage"),
    (8, "ISO Usage"),
    (9, "Snapshot Usage"),
    (10, "Security Group Usage"),
    (11, "Load Balancer Usage"),
    (12, "Port Forwarding Usage"),
    (13, "Network Offering Usage"),
    (14, "VPN users usage"),
    (21, "VM Disk usage(I/O Read)"),
    (22, "VM Disk usage(I/O Write)"),
    (23, "VM Disk usage(Bytes Read)"),
    (24, "VM Disk usage(Bytes Write)"),
    (25, "VM Snapshot storage usage"),
];

/// A type of usage records.
#[derive(View)]
pub struct UsageType {
    /// the number of the type
    #[view(kind = "integer")]
    pub usagetypeid: i64,
    /// what records of the type measure
    pub description: String,
}

/// Lists the types of usage records.
#[derive(Command)]
#[command(name = "listUsageTypes", roles = "admin", answer = "usagetype", view = UsageType, since = "3.0")]
pub struct ListUsageTypes {}
impl Run for ListUsageTypes {
    async fn run(self, _: &Call) -> Result<Answer> {
        let one = |(number, text): &(i64, &str)| UsageType { usagetypeid: *number, description: (*text).into() };
        Ok(Answer::list(TYPES.len() as i64, TYPES.iter().map(one).collect()))
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<ListUsageTypes>();
}
