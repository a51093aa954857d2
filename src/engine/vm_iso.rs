//! The ISO in a VM's drive (VM-21).
use crate::template_fetch::DOWNLOADED;
use crate::vm::wrong_state;
use crate::vm_start::from_driver;
use crate::{Call, Engine};
use stratus_drivers::IsoSpec;
use stratus_model::{Error, Kind, Result, VmState};
use stratus_store::{ImageStore, Query, Template, TemplateStore, Value, Vm};

impl Engine {
    /// What is in a VM's drive, as its host needs to know it. An ISO that has left the zone is not there any more.
    pub(crate) async fn iso_spec(&self, vm: &Vm) -> Result<Option<IsoSpec>> {
        match vm.iso_id {
            Some(id) => self.iso_in_zone(id, vm.zone_id).await,
            None => Ok(None),
        }
    }

    async fn iso_in_zone(&self, iso: i64, zone: i64) -> Result<Option<IsoSpec>> {
        let at = Query::live().eq("template_id", iso).eq("zone_id", zone).eq("state", DOWNLOADED);
        let Some(at) = self.db.find_one::<TemplateStore>(at).await? else { return Ok(None) };
        let (iso, store) = (self.db.must::<Template>(iso).await?, self.db.must::<ImageStore>(at.store_id).await?);
        Ok(Some(IsoSpec { iso: iso.uuid, store: store.uuid }))
    }

    /// Puts an ISO into a VM's drive in the place of what is there.
    pub async fn iso_attach(&self, call: &Call, vm: Vm, iso: Template) -> Result<Vm> {
        self.template_usable(call, &iso, vm.zone_id).await?;
        let spec = self.iso_in_zone(iso.id, vm.zone_id).await?.ok_or_else(|| Error::not_found(Kind::Iso, &iso.uuid))?;
        self.iso_change(vm, Some(iso.id), Some(spec)).await
    }

    /// Takes the ISO out of a VM's drive.
    pub async fn iso_detach(&self, vm: Vm) -> Result<Vm> {
        if vm.iso_id.is_none() {
            return Err(Error::invalid("virtualmachineid", "the virtual machine has no ISO attached"));
        }
        self.iso_change(vm, None, None).await
    }

    /// First the drive, then the row: whoever asks again after a failure finds either the old or the new, in both.
    async fn iso_change(&self, vm: Vm, iso: Option<i64>, spec: Option<IsoSpec>) -> Result<Vm> {
        match vm.vm_state() {
            VmState::Running => {
                let (driver, host) = self.host_of_vm(vm.host_id).await?;
                driver.change_iso(&host.uuid, &vm.instance_name, spec.as_ref()).await.map_err(from_driver)?;
            }
            VmState::Stopped => {}
            _ => return Err(wrong_state(&vm, "its ISO is changed while it runs or is stopped")),
        }
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.set::<Vm>(vm.id, vec![("iso_id", iso.map_or(Value::Null, Into::into))]).await?;
                    tx.must(vm.id).await
                })
            })
            .await
    }
}
