//! What moves VMs between states: start, stop, reboot, destroy, expunge. All are jobs, queued on the VM.
use crate::prelude::*;
use stratus_drivers::StopMode;

/// Starts a stopped VM.
#[derive(Command)]
#[command(name = "startVirtualMachine", roles = "all", answer = "virtualmachine", view = views::vm::Vm, event = "VM.START", job = "starting a VM", on = "id")]
pub struct StartVirtualMachine {
    /// the ID of the VM
    id: Owned<store::Vm>,
    /// the host, for administrators
    #[param(since = "3.0")]
    hostid: Option<Ref<store::Host>>,
}

impl Run for StartVirtualMachine {
    async fn run(self, call: &Call) -> Result<Answer> {
        if self.hostid.is_some() && !call.caller.is_root() {
            return Err(Error::Denied("only a root administrator chooses the host".into()));
        }
        let running = self.id.0.state == "Running";
        let (vm, password) = call.vm_start_answered(call, self.id.0.id, self.hostid.map(|h| h.0.id)).await?;
        views::vm::with_password(call, vm, password.filter(|_| !running)).await
    }
}

/// Stops a running VM.
#[derive(Command)]
#[command(name = "stopVirtualMachine", roles = "all", answer = "virtualmachine", view = views::vm::Vm, event = "VM.STOP", job = "stopping a VM", on = "id")]
pub struct StopVirtualMachine {
    /// the ID of the VM
    id: Owned<store::Vm>,
    /// true not to wait for the guest; a silent host does not stop us
    forced: Option<bool>,
}

impl Run for StopVirtualMachine {
    async fn run(self, call: &Call) -> Result<Answer> {
        let vm = call.vm_stop(call, self.id.0.id, StopMode::forced(self.forced)).await?;
        views::one(views::vm::of(call, vec![vm]).await?)
    }
}

/// Restarts a running VM.
#[derive(Command)]
#[command(name = "rebootVirtualMachine", roles = "all", answer = "virtualmachine", view = views::vm::Vm, event = "VM.REBOOT", job = "rebooting a VM", on = "id")]
pub struct RebootVirtualMachine {
    /// the ID of the VM
    id: Owned<store::Vm>,
}

impl Run for RebootVirtualMachine {
    async fn run(self, call: &Call) -> Result<Answer> {
        let vm = call.vm_reboot(self.id.0.id).await?;
        views::one(views::vm::of(call, vec![vm]).await?)
    }
}

/// Destroys a VM; for a while it can be recovered.
#[derive(Command)]
#[command(name = "destroyVirtualMachine", roles = "all", answer = "virtualmachine", view = views::vm::Vm, event = "VM.DESTROY", job = "destroying a VM", on = "id")]
pub struct DestroyVirtualMachine {
    /// the ID of the VM
    id: Owned<store::Vm>,
    /// true to expunge it at once, for administrators
    #[param(since = "4.2")]
    expunge: Option<bool>,
}

impl Run for DestroyVirtualMachine {
    async fn run(self, call: &Call) -> Result<Answer> {
        if self.expunge == Some(true) && !call.caller.is_admin() {
            return Err(Error::Denied("only an administrator expunges a VM at once".into()));
        }
        let vm = call.vm_destroy(call, self.id.0.id).await?;
        let shown = views::vm::of(call, vec![vm]).await?;
        if self.expunge == Some(true) {
            call.vm_expunge(call, self.id.0.id).await?;
        }
        views::one(shown)
    }
}

/// Removes a destroyed VM for good.
#[derive(Command)]
#[command(name = "expungeVirtualMachine", roles = "admins", since = "4.3", event = "VM.EXPUNGE", job = "expunging a VM", on = "id")]
pub struct ExpungeVirtualMachine {
    /// the ID of the VM
    id: Owned<store::Vm>,
}

impl Run for ExpungeVirtualMachine {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.vm_expunge(call, self.id.0.id).await?;
        Ok(Answer::success())
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<StartVirtualMachine>();
    r.add::<StopVirtualMachine>();
    r.add::<RebootVirtualMachine>();
    r.add::<DestroyVirtualMachine>();
    r.add::<ExpungeVirtualMachine>();
}
