//! What running VMs do: CPU, network and disks, read from their hosts every `vm.stats.interval` and kept in memory only (VM-24). A VM
//! of which its host begins to drop packets, because they are too many, is told of in an event and an alert; one whose host cannot keep
//! to the rate of a NIC in an alert.
use crate::alert::AlertDraft;
use crate::{Engine, Level};
use futures::StreamExt;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use stratus_drivers::VmFigures;
use stratus_model::Result;
use stratus_store::{Host, Placement, Query, Vm};

/// Hosts asked at the same time.
const AT_ONCE: usize = 32;

/// The last figures, by instance name.
#[derive(Default)]
pub struct Figures(RwLock<HashMap<String, VmFigures>>);

impl Figures {
    /// VMs of which more packets were dropped than at the last look, and what they were for. The first look only learns.
    fn begun(&self, fresh: &HashMap<String, VmFigures>) -> Vec<(String, String)> {
        let last = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut begun = Vec::new();
        for (name, figures) in fresh {
            let Some(last) = last.get(name) else { continue };
            let before = |kind: &String| last.floods.get(kind).copied().unwrap_or(0);
            let more: Vec<&str> =
                figures.floods.iter().filter(|(kind, count)| **count > before(kind)).map(|(kind, _)| kind.as_str()).collect();
            if !more.is_empty() {
                begun.push((name.clone(), more.join(" and ")));
            }
        }
        begun
    }

    /// VMs of which a NIC is not held to its rate, and was at the last look or was not known.
    fn unlimited(&self, fresh: &HashMap<String, VmFigures>) -> Vec<String> {
        let last = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let new = |figures: &&VmFigures| figures.unlimited && !last.get(&figures.name).is_some_and(|last| last.unlimited);
        fresh.values().filter(new).map(|figures| figures.name.clone()).collect()
    }

    /// What a VM did, if its host has told.
    pub fn of(&self, instance_name: &str) -> Option<VmFigures> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(instance_name).cloned()
    }
}

impl Engine {
    /// Asks every host with VMs; a host that does not answer has no figures until it does. How many VMs have some.
    pub async fn figures_read(self: &Arc<Self>) -> Result<u64> {
        let busy = Query::live().eq("state", "Up").id_in::<Placement>("host_id", Query::all());
        let hosts = self.db.find::<Host>(busy).await?;
        let asked = futures::stream::iter(hosts).map(|host| async move {
            match self.drivers.host(&host.hypervisor) {
                Some(driver) => driver.figures(&host.uuid).await.unwrap_or_default(),
                None => Vec::new(),
            }
        });
        let told: Vec<Vec<VmFigures>> = asked.buffer_unordered(AT_ONCE).collect().await;
        let fresh: HashMap<String, VmFigures> = told.into_iter().flatten().map(|f| (f.name.clone(), f)).collect();
        let count = fresh.len() as u64;
        let (begun, unlimited) = (self.figures.begun(&fresh), self.figures.unlimited(&fresh));
        *self.figures.0.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        for (name, what) in begun {
            self.flood_tell(&name, &what).await?;
        }
        for name in unlimited {
            let text = format!("{name} is not held to the network rate of its offering: the kernel of its host cannot");
            self.alert_of_vm(&name, text).await?;
        }
        Ok(count)
    }

    /// Raises an alert about a VM; the VM, if it is still there.
    async fn alert_of_vm(self: &Arc<Self>, name: &str, text: String) -> Result<Option<Vm>> {
        let Some(vm) = self.db.find_one::<Vm>(Query::live().eq("instance_name", name)).await? else { return Ok(None) };
        let (zone, pod, cluster) = (Some(vm.zone_id), vm.pod_id, vm.cluster_id);
        self.alert_raise(AlertDraft { kind: crate::host_agree::USER_VM, text, zone, pod, cluster, name: None }).await?;
        Ok(Some(vm))
    }

    /// Tells that a guest sends more of something than its host lets through.
    async fn flood_tell(self: &Arc<Self>, name: &str, what: &str) -> Result<()> {
        let text = format!("{name} sends more {what} packets than a guest may; its host drops the surplus");
        let Some(vm) = self.alert_of_vm(name, text.clone()).await? else { return Ok(()) };
        let call = self.system_call("VM.FLOOD").await?;
        let topic = crate::vm::topic(&vm);
        self.db
            .write(move |tx| {
                Box::pin(async move { call.write_event(tx, "VM.FLOOD", Level::Warn, "Completed", topic, text, None).await.map(drop) })
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vm_without_its_rate_is_told_of_once() {
        let told = |unlimited| HashMap::from([("a".to_owned(), VmFigures { name: "a".into(), unlimited, ..VmFigures::default() })]);
        let figures = Figures::default();
        assert_eq!(figures.unlimited(&told(true)), ["a"]);
        *figures.0.write().expect("a lock") = told(true);
        assert!(figures.unlimited(&told(true)).is_empty() && figures.unlimited(&told(false)).is_empty());
        *figures.0.write().expect("a lock") = told(false);
        assert_eq!(figures.unlimited(&told(true)), ["a"]);
    }
}
