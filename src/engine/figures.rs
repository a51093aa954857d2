//! What running VMs do: CPU, network and disks, read from their hosts every `vm.stats.interval` and kept in memory only (VM-24). A VM
//! of which its host begins to drop packets, because they are too many, is told of in an event and an alert; so is one that stands still
//! because a disk of it cannot be written, and one whose host cannot keep to the rate of a NIC.
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

/// Something about a VM that its owner and the operator are to hear.
struct News {
    /// The instance name.
    name: String,
    what: What,
}

enum What {
    /// It sends more than its host lets through, of these kinds.
    Floods(String),
    /// A disk of it cannot be written.
    Halted,
    /// It can again.
    GoesOn,
    /// A NIC of it carries more than its offering says.
    Unlimited,
}

impl News {
    /// Type of the event, its level and its text.
    fn event(&self) -> (&'static str, Level, String) {
        let name = &self.name;
        match &self.what {
            What::Floods(kinds) => {
                let text = format!("{name} sends more {kinds} packets than a guest may; its host drops the surplus");
                ("VM.FLOOD", Level::Warn, text)
            }
            What::Halted => {
                let text = format!("{name} stands still: a disk of it cannot be written, most likely because its pool is full");
                ("VM.HALT", Level::Error, text)
            }
            What::Unlimited => {
                let text = format!("{name} is not held to the network rate of its offering: the kernel of its host cannot");
                ("VM.RATE", Level::Warn, text)
            }
            What::GoesOn => ("VM.HALT", Level::Info, format!("{name} goes on: its disks can be written again")),
        }
    }
}

impl Figures {
    /// VMs of which more packets were dropped than at the last look, and what they were for. The first look only learns.
    fn begun(&self, fresh: &HashMap<String, VmFigures>) -> Vec<News> {
        let last = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut news = Vec::new();
        for (name, figures) in fresh {
            let before = last.get(name);
            if figures.halted != before.is_some_and(|last| last.halted) {
                news.push(News { name: name.clone(), what: if figures.halted { What::Halted } else { What::GoesOn } });
            }
            if figures.unlimited && !before.is_some_and(|last| last.unlimited) {
                news.push(News { name: name.clone(), what: What::Unlimited });
            }
            let Some(last) = before else { continue };
            let before = |kind: &String| last.floods.get(kind).copied().unwrap_or(0);
            let more: Vec<&str> =
                figures.floods.iter().filter(|(kind, count)| **count > before(kind)).map(|(kind, _)| kind.as_str()).collect();
            if !more.is_empty() {
                news.push(News { name: name.clone(), what: What::Floods(more.join(" and ")) });
            }
        }
        news
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
        let begun = self.figures.begun(&fresh);
        *self.figures.0.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        for news in begun {
            self.news_tell(&news).await?;
        }
        Ok(count)
    }

    /// Tells of a VM in an event, and in an alert unless it is good news.
    async fn news_tell(self: &Arc<Self>, news: &News) -> Result<()> {
        let Some(vm) = self.db.find_one::<Vm>(Query::live().eq("instance_name", &news.name)).await? else { return Ok(()) };
        let (event, level, text) = news.event();
        if !matches!(news.what, What::GoesOn) {
            let (zone, pod, cluster) = (Some(vm.zone_id), vm.pod_id, vm.cluster_id);
            self.alert_raise(AlertDraft { kind: crate::host_agree::USER_VM, text: text.clone(), zone, pod, cluster, name: None }).await?;
        }
        let call = self.system_call(event).await?;
        let topic = crate::vm::topic(&vm);
        self.db
            .write(move |tx| Box::pin(async move { call.write_event(tx, event, level, "Completed", topic, text, None).await.map(drop) }))
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vm_without_its_rate_is_told_of_once() {
        let told = |unlimited| HashMap::from([("a".to_owned(), VmFigures { name: "a".into(), unlimited, ..VmFigures::default() })]);
        let events = |figures: &Figures, now| figures.begun(&told(now)).iter().map(|news| news.event().0).collect::<Vec<_>>();
        let figures = Figures::default();
        assert_eq!(events(&figures, true), ["VM.RATE"]);
        *figures.0.write().expect("a lock") = told(true);
        assert!(events(&figures, true).is_empty() && events(&figures, false).is_empty());
        *figures.0.write().expect("a lock") = told(false);
        assert_eq!(events(&figures, true), ["VM.RATE"]);
    }
}
