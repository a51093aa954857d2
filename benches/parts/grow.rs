//! A cloud that has grown: rows copied from those of one VM, so that lists have their length without hours of deploys.
use crate::server::Server;
use rusqlite::Connection;
use stratus_store::{Event, Nic, SecurityGroupMember, Table, Vm, Volume};

/// `insert into t (…) select …` with what `changed` says in place of a column's copy; `row` is the row that is copied.
fn copy<T: Table>(from: &str, changed: &[(&str, &str)]) -> String {
    let columns = &T::COLUMNS[1..];
    let value = |c: &&'static str| {
        let other = changed.iter().find(|(name, _)| name == c);
        other.map_or_else(|| format!("row.{c}"), |(_, value)| (*value).to_owned())
    };
    let values: Vec<String> = columns.iter().map(value).collect();
    format!("insert into {} ({}) select {} from {from}", T::NAME, columns.join(","), values.join(","))
}

/// Copies a running VM with its NIC, group and root disk, and an event, until the server's database has `count` of each.
pub fn grow(server: &Server, count: i64) {
    let mut c = Connection::open(server.dir().join("stratus.db")).unwrap();
    let tx = c.transaction().unwrap();
    let number = |sql: &str| tx.query_row(sql, [], |r| r.get::<_, i64>(0)).unwrap();
    let model = number("select max(id) from vm where state = 'Running' and removed is null");
    let last = number("select max(id) from vm");
    let more = count - number("select count(*) from vm where removed is null");
    let numbers =
        |from: i64, n: i64| format!("with recursive n(i) as (select {} union all select i + 1 from n where i < {}) ", from + 1, from + n);
    let vm = copy::<Vm>(
        &format!("(select * from vm where id = {model}) row, n"),
        &[
            ("uuid", "printf('%08x-0000-4000-8000-%012x', i, i)"),
            ("name", "'bulk-' || i"),
            ("display_name", "'bulk-' || i"),
            ("instance_name", "'i-2-' || i || '-BULK'"),
        ],
    );
    let of_each = format!("(select * from {{}} where vm_id = {model}) row, vm v where v.id > {last}");
    let from = |table: &str| of_each.replace("{}", table);
    let uuid = |kind: i64| format!("printf('%08x-0000-4000-800{kind}-%012x', v.id, v.id)");
    let ip = "printf('10.%d.%d.%d', v.id / 65536, v.id / 256 % 256, v.id % 256)";
    let mac = "printf('02:00:%02x:%02x:%02x:%02x', v.id / 16777216, v.id / 65536 % 256, v.id / 256 % 256, v.id % 256)";
    let statements = [
        format!("{}{vm}", numbers(last, more)),
        copy::<Nic>(&from("nic"), &[("uuid", &uuid(1)), ("vm_id", "v.id"), ("ip4", ip), ("mac", mac)]),
        copy::<SecurityGroupMember>(&from("security_group_member"), &[("vm_id", "v.id")]),
        copy::<Volume>(&from("volume"), &[("uuid", &uuid(2)), ("vm_id", "v.id"), ("name", "'ROOT-' || v.id"), ("path", &uuid(2))]),
    ];
    for sql in statements {
        tx.execute(&sql, []).unwrap();
    }
    let (first, events) = (number("select max(id) from event"), count - number("select count(*) from event where archived = 0"));
    if events > 0 {
        let one = "(select * from event where event_type = 'VM.CREATE' order by id desc limit 1) row, n";
        let event = copy::<Event>(one, &[("uuid", "printf('%08x-0000-4000-8003-%012x', i, i)")]);
        tx.execute(&format!("{}{event}", numbers(first, events)), []).unwrap();
    }
    tx.commit().unwrap();
}
