//! A cloud that has grown: rows copied from those of one VM, so that lists have their length without hours of deploys.
use stratus_store::{Db, Dialect, Event, Nic, Query, SecurityGroupMember, Table, Tx, Vm, Volume};

/// Numbers from 1 on, in a table made of nothing.
fn numbers(n: i64) -> String {
    let digit = "(select 0 d union all select 1 union all select 2 union all select 3 union all select 4 union all select 5 union all \
                 select 6 union all select 7 union all select 8 union all select 9)";
    let places = "a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d + 1";
    let digits = ["a", "b", "c", "e", "f"].map(|name| format!("{digit} {name}")).join(" cross join ");
    format!("(select {places} i from {digits} where {places} <= {n})")
}

/// `insert into t (…) select …` with what `changed` says in place of a column's copy; `row` is the row that is copied.
fn copy<T: Table>(from: &str, changed: &[(&str, &str)]) -> String {
    let columns = &T::COLUMNS[1..];
    let value = |c: &&'static str| {
        let other = changed.iter().find(|(name, _)| name == c);
        other.map_or_else(|| format!("model.{c}"), |(_, value)| (*value).to_owned())
    };
    let values: Vec<String> = columns.iter().map(value).collect();
    format!("insert into {} ({}) select {} from {from}", T::NAME, columns.join(","), values.join(","))
}

/// What the two dialects say differently.
#[derive(Clone, Copy)]
struct Words {
    uuid: &'static str,
    name: &'static str,
    instance: &'static str,
    ip: &'static str,
    mac: &'static str,
    root: &'static str,
}

const SQLITE: Words = Words {
    uuid: "lower(hex(randomblob(4)) || '-0000-4000-8000-' || hex(randomblob(6)))",
    name: "'bulk-' || (last.n + n.i)",
    instance: "'i-2-' || (last.n + n.i) || '-BULK'",
    ip: "printf('10.%d.%d.%d', vm.id / 65536, vm.id / 256 % 256, vm.id % 256)",
    mac: "printf('02:00:%02x:%02x:%02x:%02x', vm.id / 16777216, vm.id / 65536 % 256, vm.id / 256 % 256, vm.id % 256)",
    root: "'ROOT-' || vm.id",
};
const MYSQL: Words = Words {
    uuid: "uuid()",
    name: "concat('bulk-', last.n + n.i)",
    instance: "concat('i-2-', last.n + n.i, '-BULK')",
    ip: "concat('10.', vm.id div 65536, '.', vm.id div 256 % 256, '.', vm.id % 256)",
    mac: "concat('02:00:', insert(insert(insert(lpad(hex(vm.id), 8, '0'), 7, 0, ':'), 5, 0, ':'), 3, 0, ':'))",
    root: "concat('ROOT-', vm.id)",
};

async fn number(tx: &mut Tx, sql: &str) -> stratus_model::Result<i64> {
    let rows = tx.rows(sql.to_owned(), Vec::new()).await?;
    rows[0].get::<Option<i64>>(0).map(Option::unwrap_or_default)
}

/// Copies a running VM with its NIC, group and root disk, as stopped ones, and an event, until there are `count` of each.
pub async fn grow(db: &Db, count: i64) {
    let words = if db.dialect() == Dialect::Sqlite { SQLITE } else { MYSQL };
    db.write(move |tx| Box::pin(async move { fill(tx, &words, count).await })).await.unwrap();
}

async fn fill(tx: &mut Tx, words: &Words, count: i64) -> stratus_model::Result<()> {
    let model = number(tx, "select min(id) from vm where state = 'Running' and removed is null").await?;
    let last = number(tx, "select max(id) from vm").await?;
    let more = count - number(tx, "select count(*) from vm where removed is null").await?;
    let each = |table: &str| format!("(select * from {table} where vm_id = {model} limit 1) model, vm where vm.id > {last}");
    let from = format!("(select * from vm where id = {model}) model, (select {last} n) last, {} n", numbers(more));
    // Stopped: a look at the hosts would find that nobody runs them, and be busy with it.
    let vm = [
        ("uuid", words.uuid),
        ("name", words.name),
        ("display_name", words.name),
        ("instance_name", words.instance),
        ("state", "'Stopped'"),
        ("host_id", "null"),
    ];
    let uuid = ("uuid", words.uuid);
    let mut statements = vec![
        copy::<Vm>(&from, &vm),
        copy::<Nic>(&each("nic"), &[uuid, ("vm_id", "vm.id"), ("ip4", words.ip), ("mac", words.mac)]),
        copy::<SecurityGroupMember>(&each("security_group_member"), &[("vm_id", "vm.id")]),
        copy::<Volume>(&each("volume"), &[uuid, ("vm_id", "vm.id"), ("name", words.root), ("path", words.uuid)]),
    ];
    let events = count - tx.count::<Event>(Query::all().eq("archived", false)).await?;
    if events > 0 {
        let one = "(select * from event where event_type = 'VM.CREATE' order by id desc limit 1) model";
        statements.push(copy::<Event>(&format!("{one}, {} n", numbers(events)), &[uuid]));
    }
    for sql in statements {
        tx.execute(sql, Vec::new()).await?;
    }
    Ok(())
}
