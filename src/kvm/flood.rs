//! What is dropped of a guest that asks more than a guest needs: DHCP, ARP, DNS and metadata are answered by this host or by every
//! neighbour, so each NIC has so many a second and no more (`filter_text.rs`). The counters are a VM's and go with it.
use crate::filter_text::table;
use crate::keep::plain;
use crate::{Done, Kvm};
use std::collections::BTreeMap;

/// Beginnings of counters' names, and what they count.
pub(crate) const KINDS: [(&str, &str); 3] = [("arp", "ARP"), ("dhcp", "DHCP"), ("ask", "metadata")];

/// Packets dropped by VM and kind, from what `nft -j list counters` says.
fn read(text: &str) -> BTreeMap<String, BTreeMap<String, u64>> {
    let all: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let mut floods: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for counter in all["nftables"].as_array().into_iter().flatten().map(|entry| &entry["counter"]) {
        let (name, packets) = (counter["name"].as_str().unwrap_or_default(), counter["packets"].as_u64().unwrap_or(0));
        let found = KINDS.iter().find_map(|(kind, word)| Some((*word, name.strip_prefix(kind)?.strip_prefix('_')?)));
        if let Some((word, vm)) = found.filter(|_| packets > 0) {
            floods.entry(vm.to_owned()).or_default().insert(word.to_owned(), packets);
        }
    }
    floods
}

impl Kvm {
    /// What was dropped of guests on this host, by VM.
    pub async fn floods(&self) -> BTreeMap<String, BTreeMap<String, u64>> {
        let said = self.run.ask("nft", &["-j", "list", "counters", "table", "bridge", &table(&self.config.prefix)]).await;
        // Without a table nothing was dropped.
        said.ok().filter(|said| said.ok).map(|said| read(&said.out)).unwrap_or_default()
    }

    /// Forgets what was counted of a VM that is gone.
    pub(crate) async fn floods_forget(&self, vm: &str) -> Done {
        let (table, vm) = (table(&self.config.prefix), plain("a VM", vm)?);
        let text = KINDS.map(|(kind, _)| format!("delete counter bridge {table} {kind}_{vm}\n")).concat();
        self.nft_less(&text).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_a_vms() {
        let counter = |name: &str, packets: u64| serde_json::json!({ "counter": { "name": name, "packets": packets } });
        let text = serde_json::json!({ "nftables": [{ "metainfo": {} }, counter("dhcp_i-2-3-VM", 7), counter("arp_i-2-3-VM", 0),
            counter("ask_i-2-4-VM", 1), counter("other", 9)] });
        let floods = read(&text.to_string());
        assert_eq!(floods["i-2-3-VM"], BTreeMap::from([("DHCP".to_owned(), 7)]));
        assert_eq!((floods["i-2-4-VM"]["metadata"], floods.len()), (1, 2));
        assert!(read("nonsense").is_empty());
    }
}
