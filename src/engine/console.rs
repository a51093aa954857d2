//! The ticket that opens a VM's console once.
use crate::session::hash_cookie;
use crate::vm::wrong_state;
use crate::{Call, Engine};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use stratus_drivers::{ByteStream, DriverError};
use stratus_model::{Result, VmState};
use stratus_store::{ConsoleTicket, Query, User, Vm};

/// Microseconds in which a ticket must be used: a page asks for it and opens its socket at once.
const GOOD_FOR: i64 = 60 * 1_000_000;

impl Call {
    /// A ticket for the console of a running VM; its text exists at the caller only.
    pub async fn console_ticket(&self, vm: &Vm) -> Result<String> {
        if vm.vm_state() != VmState::Running {
            return Err(wrong_state(vm, "only a running VM has a console"));
        }
        let ticket = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>());
        let expires = self.clock.now() + GOOD_FOR;
        let mut row =
            ConsoleTicket { ticket_hash: hash_cookie(&ticket), vm_id: vm.id, user_id: self.caller.user_id, expires, ..Default::default() };
        let (call, topic) = (self.clone(), crate::vm::topic(vm));
        let text = format!("opened the console of {}", vm.display_name.as_deref().unwrap_or(&vm.name));
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.insert(&mut row).await?;
                    call.log(tx, topic, text).await
                })
            })
            .await?;
        Ok(ticket)
    }
}

impl Engine {
    /// The VM that a ticket opens; none when it is unknown, used, too old, or its user may not call any more.
    pub async fn console_redeem(&self, ticket: &str) -> Result<Option<Vm>> {
        let (hash, now) = (hash_cookie(ticket), self.clock.now());
        let Some(row) = self.db.find_one::<ConsoleTicket>(Query::all().eq("ticket_hash", hash)).await? else { return Ok(None) };
        let id = row.id;
        let taken = self.db.write(move |tx| Box::pin(async move { tx.delete::<ConsoleTicket>(Query::all().eq("id", id)).await })).await?;
        let user = self.db.get::<User>(row.user_id).await?.filter(|u| u.removed.is_none());
        let Some(user) = user.filter(|_| taken == 1 && row.expires > now) else { return Ok(None) };
        if !self.is_enabled(&user).await? {
            return Ok(None);
        }
        Ok(self.db.get::<Vm>(row.vm_id).await?.filter(|vm| vm.removed.is_none()))
    }

    /// The screen of a running VM as its hypervisor gives it; none where there is only the text that the guest writes.
    pub async fn vm_screen(&self, vm: &Vm) -> Result<Option<ByteStream>> {
        let (driver, host) = self.host_of_vm(vm.host_id).await?;
        match driver.screen(&host.uuid, &vm.instance_name).await {
            Ok(stream) => Ok(Some(stream)),
            Err(DriverError::Unsupported(_)) => Ok(None),
            Err(e) => Err(crate::vm_start::from_driver(e)),
        }
    }

    /// Forgets tickets that nobody used; how many.
    pub async fn console_tickets_expire(&self) -> Result<u64> {
        let now = self.clock.now();
        self.db.write(move |tx| Box::pin(async move { tx.delete::<ConsoleTicket>(Query::all().at_most("expires", now)).await })).await
    }
}
