//! Which rule sets stand on this host.
use crate::filter_text as text;
use crate::network::Net;
use crate::{Done, Kvm};
use stratus_drivers::{DriverError, GroupMembers, NicRules, NicSpec};

impl Kvm {
    /// Gives nftables a transaction, with the tables before it in case somebody flushed them.
    async fn nft(&self, script: &str) -> Done {
        let script = text::base(&self.config.prefix) + script;
        self.run.pipe("nft", &["-f", "-"], &script).await.map(drop)
    }

    /// The same for what takes away: what is not there needs no taking away.
    pub(crate) async fn nft_less(&self, script: &str) -> Done {
        if let Err(error) = self.nft(script).await {
            tracing::debug!(%error, "nothing to take back from the packet filter");
        }
        Ok(())
    }

    /// Lets a NIC's tap send as itself, before it is there, and notes what it may carry.
    pub(crate) async fn nic_guard(&self, vm: &str, nic: &NicSpec) -> Done {
        tracing::debug!(vm, nic = nic.uuid, "a tap may send as itself");
        let vm = crate::keep::plain("a VM", vm)?;
        self.rate_note(vm, nic)?;
        self.nft(&text::guard(&self.config.prefix, &self.tap(nic), vm, nic)).await
    }

    /// Forgets a NIC that is gone from here.
    pub(crate) async fn nic_unguard(&self, nic: &NicSpec) -> Done {
        self.nft_less(&text::unguard(&self.config.prefix, &self.tap(nic), &nic.uuid)).await?;
        self.rate_forget(nic).await?;
        self.rules_forget(nic).await
    }

    /// Forgets a NIC's rule set.
    pub(crate) async fn rules_forget(&self, nic: &NicSpec) -> Done {
        let _held = self.locks.hold("rules").await;
        let Some(rules) = self.folders.rules.get::<NicRules>(&nic.uuid)? else { return Ok(()) };
        let bridge = self.bridge(&rules.nic.broadcast_uri)?;
        self.nft_less(&text::no_rules(&self.config.prefix, &bridge, &rules.nic)).await?;
        self.folders.rules.remove(&nic.uuid)?;
        self.members_forget(&rules).await
    }

    /// Forgets who is in groups that rules named which are gone: when rules name them again, that would be of another time. nftables
    /// keeps a set that other rules name.
    async fn members_forget(&self, rules: &NicRules) -> Done {
        for group in rules.rules.iter().flat_map(|rule| &rule.groups).collect::<std::collections::BTreeSet<_>>() {
            if self.nft(&text::no_members(&self.config.prefix, group)).await.is_ok() {
                self.folders.members.remove(group)?;
            }
        }
        Ok(())
    }

    /// The rule sets that stand here and that something is true of.
    fn rules_where(&self, fits: impl Fn(&NicRules) -> bool) -> Done<Vec<NicRules>> {
        let mut found = Vec::new();
        for nic in self.folders.rules.names()? {
            found.extend(self.folders.rules.get::<NicRules>(&nic)?.filter(&fits));
        }
        Ok(found)
    }

    /// NICs of a VM that have rules here, whether it runs here or was only to.
    pub(crate) fn nics_ruled(&self, vm: &str) -> Done<Vec<NicSpec>> {
        Ok(self.rules_where(|rules| rules.vm == vm)?.into_iter().map(|rules| rules.nic).collect())
    }

    /// Replaces a NIC's rule set, unless a later one stands.
    pub(crate) async fn rules_apply(&self, rules: &NicRules) -> Done {
        let _held = self.locks.hold("rules").await;
        let before = self.folders.rules.get::<NicRules>(&rules.nic.uuid)?;
        if before.as_ref().is_some_and(|before| before.sequence > rules.sequence) {
            return Ok(());
        }
        let prefix = &self.config.prefix;
        let bridge = self.bridge(&rules.nic.broadcast_uri)?;
        if let Some(before) = before.as_ref().filter(|before| before.nic.ip != rules.nic.ip) {
            self.nft_less(&text::no_rules(prefix, &self.bridge(&before.nic.broadcast_uri)?, &before.nic)).await?;
        }
        // A guest that was to come and did not: its address is somebody else's now, and nftables has one verdict for it.
        let (nic, wire) = (&rules.nic, &rules.nic.broadcast_uri);
        for other in self.rules_where(|other| other.nic.uuid != nic.uuid && other.nic.ip == nic.ip && other.nic.broadcast_uri == *wire)? {
            self.nft_less(&text::no_rules(prefix, &bridge, &other.nic)).await?;
            self.folders.rules.remove(&other.nic.uuid)?;
        }
        self.bridged_packets_are_seen().await?;
        self.nft(&text::rules(prefix, &bridge, rules)?).await?;
        self.folders.rules.put(&rules.nic.uuid, rules)?;
        match before {
            Some(before) => self.members_forget(&before).await,
            None => Ok(()),
        }
    }

    /// Replaces who is in a group, unless a later word stands.
    pub(crate) async fn members_apply(&self, members: &GroupMembers) -> Done {
        let _held = self.locks.hold("rules").await;
        let before = self.folders.members.get::<GroupMembers>(&members.group)?;
        if before.is_some_and(|before| before.sequence > members.sequence) {
            return Ok(());
        }
        self.nft(&text::members(&self.config.prefix, members)?).await?;
        self.folders.members.put(&members.group, members)
    }

    /// The sequence of the rule set that stands for a NIC, by its uuid.
    pub fn rules_sequence(&self, nic: &str) -> Option<i64> {
        self.folders.rules.get::<NicRules>(nic).ok().flatten().map(|rules| rules.sequence)
    }

    /// Has the kernel show bridged packets to the ip family.
    async fn bridged_packets_are_seen(&self) -> Done {
        let said = self.run.pipe("tee", &["/proc/sys/net/bridge/bridge-nf-call-iptables"], "1").await;
        said.map(drop).map_err(|_| {
            let why = "the kernel does not show bridged packets to nftables (module br_netfilter): security groups cannot be kept";
            DriverError::Failed(why.into())
        })
    }

    /// Everything again that stood: after the machine was off, or somebody flushed the tables.
    pub(crate) async fn filters_restore(&self) -> Done {
        for group in self.folders.members.names()? {
            if let Some(members) = self.folders.members.get::<GroupMembers>(&group)? {
                self.nft(&text::members(&self.config.prefix, &members)?).await?;
            }
        }
        for nic in self.folders.rules.names()? {
            let Some(rules) = self.folders.rules.get::<NicRules>(&nic)? else { continue };
            self.bridged_packets_are_seen().await?;
            let bridge = self.bridge(&rules.nic.broadcast_uri)?;
            self.nft(&text::rules(&self.config.prefix, &bridge, &rules)?).await?;
        }
        Ok(())
    }

    /// Has guests hear this host's router and no other.
    pub(crate) async fn answers_at_home(&self, net: &Net) -> Done {
        let Some(port) = self.tunnel_port(&net.spec.broadcast_uri)? else { return Ok(()) };
        let gateways: Vec<_> = net.subnets().into_iter().map(|(gateway, _)| gateway).collect();
        self.nft(&text::home(&self.config.prefix, &port, &gateways)).await
    }

    /// Takes back what `answers_at_home` said.
    pub(crate) async fn answers_anywhere(&self, net: &Net) -> Done {
        let Some(port) = self.tunnel_port(&net.spec.broadcast_uri)? else { return Ok(()) };
        self.nft_less(&text::anywhere(&self.config.prefix, &port)).await
    }

    /// Removes the tables when nothing is left in them to guard.
    ///
    /// # Errors
    /// nftables does not answer.
    pub async fn filters_clear(&self) -> Result<(), DriverError> {
        let table = text::table(&self.config.prefix);
        for family in ["bridge", "ip"] {
            self.run.ask("nft", &["delete", "table", family, &table]).await?;
        }
        Ok(())
    }
}
