use crate::table;

table! {
    /// How full a zone was, of one type of capacity, at one time.
    CapacitySample in "capacity_sample" { zone_id: i64, kind: i64, used: i64, total: i64, taken: i64 }
}
table! {
    /// Opens the console of a VM, once. Only the hash of its text is kept.
    ConsoleTicket in "console_ticket" { ticket_hash: String, vm_id: i64, user_id: i64, expires: i64 }
}
