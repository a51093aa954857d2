//! Deleting an account: refused while it still owns anything live, then it goes with its users, counters, keys and groups.
use crate::account::topic;
use crate::setup::ADMIN;
use crate::user::user_remove;
use crate::{Call, Engine};
use stratus_model::{Error, Kind, Result};
use stratus_store::{
    Account, IpAddress, Network, Query, ResourceCount, SecurityGroup, SecurityGroupRule, Setting, SshKeyPair, Table, Template, Tx, User,
    Vm, Volume,
};

impl Engine {
    /// Deletes an account with its users. Runs in a job and may run again.
    pub async fn account_delete(&self, call: &Call, account: Account) -> Result<()> {
        call.administer(&account).await?;
        if account.id == ADMIN || account.id == call.caller.account_id {
            return Err(Error::Denied("Neither the account admin nor the caller's own can be deleted".into()));
        }
        self.account_cleanup(call, &account).await?;
        let call = call.clone();
        self.db.write(move |tx| Box::pin(async move { remove(tx, &call, &account).await })).await
    }

    /// Lets go of what an account owns before it is deleted.
    ///
    /// HOOK: destroying VMs, volumes and networks belongs to their files; until they offer it, what is left is named by [`remove`].
    async fn account_cleanup(&self, _call: &Call, _account: &Account) -> Result<()> {
        Ok(())
    }
}

async fn remove(tx: &mut Tx, call: &Call, account: &Account) -> Result<()> {
    // The counters go first: whoever makes a thing for this account at the same time needs them and waits, then fails.
    tx.delete::<ResourceCount>(Query::all().eq("owner_kind", "account").eq("owner_id", account.id)).await?;
    let left = still_owned(tx, account.id).await?;
    if !left.is_empty() {
        let why = format!("it still owns {}; delete that first", left.join(", "));
        return Err(Error::InUse { kind: Kind::Account, id: account.name.clone(), why });
    }
    let now = call.now();
    if !tx.remove::<Account>(account.id, now).await? {
        return Ok(());
    }
    for user in tx.find::<User>(Query::live().eq("account_id", account.id)).await? {
        user_remove(tx, &user, now).await?;
    }
    let mine = || Query::live().eq("account_id", account.id);
    tx.update::<SshKeyPair>(mine(), vec![("removed", now.into())]).await?;
    tx.delete::<SecurityGroupRule>(Query::all().key_in::<SecurityGroup>("group_id", "id", mine())).await?;
    tx.delete::<SecurityGroupRule>(Query::all().key_in::<SecurityGroup>("allowed_group_id", "id", mine())).await?;
    tx.update::<SecurityGroup>(mine(), vec![("removed", now.into())]).await?;
    tx.delete::<Setting>(Query::all().eq("scope", "account").eq("scope_id", account.id)).await?;
    call.log(tx, topic(account), format!("deleted account {}", account.name)).await
}

/// What an account owns that does not simply go with it.
async fn still_owned(tx: &mut Tx, id: i64) -> Result<Vec<String>> {
    async fn live<T: Table>(tx: &mut Tx, id: i64) -> Result<i64> {
        tx.count::<T>(Query::live().eq("account_id", id)).await
    }
    let counts = [
        (live::<Vm>(tx, id).await?, "virtual machines"),
        (live::<Volume>(tx, id).await?, "volumes"),
        (live::<Template>(tx, id).await?, "templates"),
        (live::<Network>(tx, id).await?, "networks"),
        (tx.count::<IpAddress>(Query::all().eq("account_id", id).eq("state", "Allocated")).await?, "IP addresses"),
    ];
    Ok(counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect())
}
