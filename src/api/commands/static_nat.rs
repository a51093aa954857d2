//! Static NAT: public addresses that stand for one VM, and the ports of them that are open. Port forwarding proper comes with advanced
//! networking: until then no such rule can exist, and its list says so by being empty, because clients read it beside every VM.
use crate::prelude::*;
use crate::views::address::{ForwardingRule, rules_of};
use stratus_engine::static_nat::PortsOpen;

found!(FirewallRule owned);

/// Lets a public address stand for a VM.
#[derive(Command)]
#[command(name = "enableStaticNat", roles = "all", event = "STATICNAT.ENABLE")]
pub struct EnableStaticNat {
    /// the ID of the address
    ipaddressid: Owned<store::IpAddress>,
    /// the ID of the VM
    virtualmachineid: Owned<store::Vm>,
    /// the network of the VM's NIC, which is that of the address
    #[param(since = "4.0")]
    networkid: Option<Ref<store::Network>>,
    /// the VM's own address in that network
    #[param(since = "4.2")]
    vmguestip: Option<String>,
}

impl Run for EnableStaticNat {
    async fn run(self, call: &Call) -> Result<Answer> {
        let (address, vm) = (self.ipaddressid.0, self.virtualmachineid.0);
        call.static_nat_enable(call, address, vm, self.networkid.map(|n| n.0.id), self.vmguestip).await?;
        Ok(Answer::success())
    }
}

/// Lets a public address stand for nobody.
#[derive(Command)]
#[command(name = "disableStaticNat", roles = "all", event = "STATICNAT.DISABLE", job = "disabling static NAT", on = "ipaddressid")]
pub struct DisableStaticNat {
    /// the ID of the address
    ipaddressid: Owned<store::IpAddress>,
}

impl Run for DisableStaticNat {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.static_nat_disable(call, self.ipaddressid.0.id).await?;
        Ok(Answer::success())
    }
}

/// Opens ports of a public address that stands for a VM.
#[derive(Command)]
#[command(
    name = "createIpForwardingRule",
    roles = "all",
    answer = "ipforwardingrule",
    view = ForwardingRule,
    event = "NET.RULEADD",
    job = "opening ports of a static NAT address",
    create
)]
pub struct CreateIpForwardingRule {
    /// the ID of the address
    ipaddressid: Owned<store::IpAddress>,
    /// tcp or udp
    protocol: String,
    /// the first port
    startport: i64,
    /// who may come, as networks; everybody when absent
    cidrlist: Option<Vec<String>>,
    /// the last port; the first when absent
    endport: Option<i64>,
    /// whether the ports are open at once, which they are: only true
    openfirewall: Option<bool>,
}

impl Create for CreateIpForwardingRule {
    async fn create(self, call: &Call, job: JobDraft) -> Result<Created> {
        if self.openfirewall == Some(false) {
            return Err(Error::Unsupported(
                "the ports of a static NAT rule are open to its cidrlist; there is no firewall beside it".into(),
            ));
        }
        let ask = PortsOpen {
            address: self.ipaddressid.0,
            protocol: self.protocol,
            first: self.startport,
            last: self.endport,
            cidrs: self.cidrlist.unwrap_or_default(),
        };
        let (rule, job) = call.ports_open(call, ask, job).await?;
        Ok(Created { job, uuid: rule.uuid })
    }
    async fn finish(call: &Call, id: i64) -> Result<Answer> {
        let rule = call.ports_open_finish(id).await?;
        views::one(rules_of(call, vec![rule]).await?)
    }
}

/// Closes the ports of a rule.
#[derive(Command)]
#[command(
    name = "deleteIpForwardingRule",
    roles = "all",
    event = "NET.RULEDELETE",
    job = "closing ports of a static NAT address",
    on = "id"
)]
pub struct DeleteIpForwardingRule {
    /// the ID of the rule
    id: Owned<store::FirewallRule>,
}

impl Run for DeleteIpForwardingRule {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.ports_close(self.id.0.id).await?;
        Ok(Answer::success())
    }
}

/// Lists the rules of static NAT addresses.
#[derive(Command)]
#[command(name = "listIpForwardingRules", roles = "all", answer = "ipforwardingrule", view = ForwardingRule)]
pub struct ListIpForwardingRules {
    /// the rule with this ID
    id: Option<Owned<store::FirewallRule>>,
    /// those of an address
    ipaddressid: Option<Owned<store::IpAddress>>,
    /// those of a VM
    virtualmachineid: Option<Owned<store::Vm>>,
    #[param(flatten)]
    scoped: Scoped,
    #[param(flatten)]
    page: Paging,
}

impl Run for ListIpForwardingRules {
    async fn run(self, call: &Call) -> Result<Answer> {
        let by_id = self.id.is_some() || self.ipaddressid.is_some() || self.virtualmachineid.is_some();
        let mut q = store::Query::live()
            .eq("purpose", "StaticNat")
            .eq_opt("id", self.id.map(|r| r.0.id))
            .eq_opt("ip_address_id", self.ipaddressid.map(|a| a.0.id));
        if let Some(vm) = self.virtualmachineid {
            q = q.key_in::<store::IpAddress>("ip_address_id", "id", store::Query::all().eq("vm_id", vm.0.id));
        }
        if let Some(k) = &self.page.keyword {
            q = q.holds(&["protocol"], k);
        }
        let q = self.scoped.scope(call, by_id).await?.apply(q);
        let (offset, limit) = self.page.range(call)?;
        let count = call.db.count::<store::FirewallRule>(q.clone()).await?;
        let rows = call.db.find::<store::FirewallRule>(q.page(offset, limit)).await?;
        Ok(Answer::list(count, rules_of(call, rows).await?))
    }
}

/// Lists port forwarding rules. Nothing makes them yet.
#[derive(Command)]
#[command(name = "listPortForwardingRules", roles = "all", answer = "portforwardingrule", view = ForwardingRule)]
pub struct ListPortForwardingRules {
    /// the rule with this ID
    #[param(kind = "uuid")]
    id: Refused,
    /// those of an address
    ipaddressid: Option<Ref<store::IpAddress>>,
    /// those of a network
    #[param(since = "4.3")]
    networkid: Option<Ref<store::Network>>,
    #[param(flatten)]
    scoped: Scoped,
    #[param(flatten)]
    tags: Tags,
    #[param(flatten)]
    page: Paging,
}

impl Run for ListPortForwardingRules {
    async fn run(self, call: &Call) -> Result<Answer> {
        self.scoped.scope(call, false).await?;
        self.page.range(call)?;
        Ok(Answer::list(0, Vec::<ForwardingRule>::new()))
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<EnableStaticNat>();
    r.add::<DisableStaticNat>();
    r.add::<CreateIpForwardingRule>();
    r.add::<DeleteIpForwardingRule>();
    r.add::<ListIpForwardingRules>();
    r.add::<ListPortForwardingRules>();
}
