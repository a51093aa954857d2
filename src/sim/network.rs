//! Guest networks: what is up, who holds which address, which rule set guards which NIC.
use crate::Sim;
use crate::fault::Op;
use crate::pool::identity;
use crate::world::{Lease, Net, Record, answering};
use async_trait::async_trait;
use std::borrow::Cow::Borrowed;
use stratus_drivers::{DriverError, GroupMembers, Network, NetworkSpec, NicRules, NicSpec, PublicSet, Secret};

type Done<T = ()> = Result<T, DriverError>;

#[async_trait]
impl Network for Sim {
    async fn implement(&self, network: &NetworkSpec) -> Done {
        self.run(Op::Implement, &[&network.uuid], || self.network_implement(network)).await
    }
    async fn prepare(&self, network: &NetworkSpec, nic: &NicSpec, vm: &str) -> Done {
        self.run(Op::Prepare, &[&network.uuid, &nic.uuid, vm], || self.nic_prepare(network, nic, vm)).await
    }
    async fn save_password(&self, network: &NetworkSpec, nic: &NicSpec, password: &Secret) -> Done {
        self.run(Op::SavePassword, &[&network.uuid, &nic.uuid], || self.password_save(&network.uuid, &nic.uuid, password)).await
    }
    async fn release(&self, network: &NetworkSpec, nic: &NicSpec, vm: &str) -> Done {
        self.run(Op::Release, &[&network.uuid, &nic.uuid, vm], || self.nic_release(&network.uuid, &nic.uuid)).await
    }
    async fn apply_rules(&self, host: &str, rules: &NicRules) -> Done {
        self.run(Op::ApplyRules, &[host, &rules.vm, &rules.nic.uuid], || self.rules_apply(host, rules)).await
    }
    async fn apply_members(&self, host: &str, members: &GroupMembers) -> Done {
        self.run(Op::ApplyRules, &[host, &members.group], || self.members_apply(host, members)).await
    }
    async fn apply_public(&self, network: &NetworkSpec, set: &PublicSet) -> Done {
        self.run(Op::ApplyPublic, &[&network.uuid], || self.public_apply(&network.uuid, set)).await
    }
    async fn shutdown(&self, network: &NetworkSpec) -> Done {
        self.run(Op::Shutdown, &[&network.uuid], || self.network_shutdown(&network.uuid)).await
    }
}

impl Sim {
    fn network_implement(&self, network: &NetworkSpec) -> Done {
        self.world.networks.with(&network.uuid, |nets| {
            let there = nets.get_mut(&network.uuid);
            // Pods take turns at one network, which is one here.
            if there.as_ref().is_some_and(|net| net.spec == NetworkSpec { pod: net.spec.pod.clone(), ..network.clone() }) {
                return Ok(());
            }
            self.note(&Record::Net { spec: Borrowed(network) })?;
            match there {
                Some(net) => net.spec = network.clone(),
                None => drop(nets.insert(network.uuid.clone(), Net::new(network.clone()))),
            }
            Ok(())
        })
    }

    fn nic_prepare(&self, network: &NetworkSpec, nic: &NicSpec, vm: &str) -> Done {
        let uuid = &network.uuid;
        self.world.networks.with(uuid, |nets| {
            let net = nets.get_mut(uuid).ok_or_else(|| DriverError::Missing(format!("network {uuid}")))?;
            if let Some(holder) = net.addresses.get(&nic.ip).filter(|holder| **holder != nic.uuid) {
                return Err(DriverError::Failed(format!("address {} of network {uuid} is leased to NIC {holder}", nic.ip)));
            }
            let password = net.leases.get(&nic.uuid).and_then(|there| there.password.clone());
            let lease = Lease { ip: nic.ip.clone(), mac: nic.mac.clone(), vm: vm.to_owned(), password };
            if net.leases.get(&nic.uuid) != Some(&lease) {
                self.note(&Record::Lease { network: Borrowed(uuid), nic: Borrowed(&nic.uuid), lease: Borrowed(&lease) })?;
                net.put(&nic.uuid, lease);
            }
            Ok(())
        })
    }

    /// Only a digest is kept: the simulator's journal is not a place for secrets.
    fn password_save(&self, network: &str, nic: &str, password: &Secret) -> Done {
        self.world.networks.with(network, |nets| {
            let net = nets.get_mut(network).ok_or_else(|| DriverError::Missing(format!("network {network}")))?;
            let there = net.leases.get(nic).ok_or_else(|| DriverError::Missing(format!("NIC {nic} in network {network}")))?;
            let lease = Lease { password: Some(identity(password.reveal())), ..there.clone() };
            self.note(&Record::Lease { network: Borrowed(network), nic: Borrowed(nic), lease: Borrowed(&lease) })?;
            net.put(nic, lease);
            Ok(())
        })
    }

    fn nic_release(&self, network: &str, nic: &str) -> Done {
        self.world.networks.with(network, |nets| {
            let Some(net) = nets.get_mut(network).filter(|net| net.leases.contains_key(nic)) else { return Ok(()) };
            self.note(&Record::LeaseGone { network: Borrowed(network), nic: Borrowed(nic) })?;
            net.take(nic);
            Ok(())
        })
    }

    fn rules_apply(&self, host: &str, rules: &NicRules) -> Done {
        self.world.hosts.with(host, |hosts| {
            let state = answering(hosts, host)?;
            if state.rules.get(&rules.nic.uuid).is_some_and(|there| there.sequence > rules.sequence || there == rules) {
                return Ok(());
            }
            self.note(&Record::Rules { host: Borrowed(host), rules: Borrowed(rules) })?;
            state.rules.insert(rules.nic.uuid.clone(), rules.clone());
            Ok(())
        })
    }

    fn members_apply(&self, host: &str, members: &GroupMembers) -> Done {
        self.world.hosts.with(host, |hosts| {
            let state = answering(hosts, host)?;
            if state.members.get(&members.group).is_some_and(|there| there.sequence > members.sequence || there == members) {
                return Ok(());
            }
            self.note(&Record::Members { host: Borrowed(host), members: Borrowed(members) })?;
            state.members.insert(members.group.clone(), members.clone());
            Ok(())
        })
    }

    fn public_apply(&self, network: &str, set: &PublicSet) -> Done {
        self.world.networks.with(network, |nets| {
            let net = nets.get_mut(network).ok_or_else(|| DriverError::Missing(format!("network {network}")))?;
            if net.public.sequence > set.sequence || net.public == *set {
                return Ok(());
            }
            self.note(&Record::Public { network: Borrowed(network), set: Borrowed(set) })?;
            net.public = set.clone();
            Ok(())
        })
    }

    fn network_shutdown(&self, network: &str) -> Done {
        self.world.networks.with(network, |nets| {
            if nets.contains_key(network) {
                self.note(&Record::NetGone { network: Borrowed(network) })?;
                nets.remove(network);
            }
            Ok(())
        })
    }
}
