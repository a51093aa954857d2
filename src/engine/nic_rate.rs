//! How much a NIC may carry (LIM-03).
//!
//! The rule is CloudStack 4.3's (`NetworkModelImpl.getNetworkRate`, with `getServiceOfferingNetworkRate` and
//! `getNetworkOfferingNetworkRate` of `ConfigurationManagerImpl`): a user VM's default NIC has the `networkrate` of its service
//! offering, else `vm.network.throttling.rate`; every other NIC that of its network's offering, else `network.throttling.rate` of the
//! zone. 0 and -1 are no limit. Megabits a second, the same both ways. A rate is taken up when a NIC gets its wire: when its VM
//! starts or moves, or when it is plugged.
use crate::Engine;
use crate::vm_start::nic_spec;
use std::collections::HashMap;
use stratus_drivers::NicSpec;
use stratus_model::Result;
use stratus_store::{Network, NetworkOffering, Nic, ServiceOffering, Vm};

/// A limit as hosts hear it.
fn limit(mbps: i64) -> Option<u32> {
    (mbps > 0).then(|| u32::try_from(mbps).unwrap_or(u32::MAX))
}

impl Engine {
    /// NICs of a VM as a host is to plug them. A VM's default NIC costs no query.
    pub(crate) async fn nic_specs(&self, vm: &Vm, offering: &ServiceOffering, nics: &[Nic]) -> Result<Vec<NicSpec>> {
        let others = nics.iter().filter(|nic| !nic.is_default).map(|nic| nic.network_id);
        let networks = self.db.by_ids::<Network>(others).await?;
        let offerings = self.db.by_ids::<NetworkOffering>(networks.values().map(|n| n.offering_id)).await?;
        let of_network = |nic: &Nic| {
            let own = networks.get(&nic.network_id).and_then(|n| offerings.get(&n.offering_id)).and_then(|o| o.network_rate);
            own.unwrap_or_else(|| self.mbps("network.throttling.rate", vm.zone_id))
        };
        let rates: HashMap<i64, i64> = nics
            .iter()
            .map(|nic| match nic.is_default {
                true => (nic.id, offering.network_rate.unwrap_or_else(|| self.mbps("vm.network.throttling.rate", vm.zone_id))),
                false => (nic.id, of_network(nic)),
            })
            .collect();
        Ok(nics.iter().map(|nic| NicSpec { rate_mbps: rates.get(&nic.id).copied().and_then(limit), ..nic_spec(nic) }).collect())
    }

    /// One NIC as a host is to plug it.
    pub(crate) async fn nic_plugged(&self, vm: &Vm, nic: &Nic) -> Result<NicSpec> {
        let offering = self.db.must::<ServiceOffering>(vm.service_offering_id).await?;
        let mut all = self.nic_specs(vm, &offering, std::slice::from_ref(nic)).await?;
        Ok(all.pop().unwrap_or_else(|| nic_spec(nic)))
    }

    /// A setting in megabits a second, as it stands for a zone.
    fn mbps(&self, name: &str, zone: i64) -> i64 {
        self.settings.scoped(name, "zone", zone).and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn nought_and_less_are_no_limit() {
        assert_eq!([-1, 0, 1, 200].map(super::limit), [None, None, Some(1), Some(200)]);
        assert_eq!(super::limit(i64::MAX), Some(u32::MAX));
    }
}
