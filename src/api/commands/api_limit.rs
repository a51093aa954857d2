//! How many calls an account may make.
use crate::prelude::*;

/// Where an account stands.
#[derive(View)]
pub struct ApiLimit {
    /// the ID of the account
    pub accountid: String,
    /// the name of the account
    pub account: String,
    /// calls that it made in this interval
    #[view(name = "apiIssued", kind = "integer")]
    pub issued: i64,
    /// calls that it may still make in it
    #[view(name = "apiAllowed", kind = "integer")]
    pub allowed: i64,
    /// seconds until the interval is over
    #[view(name = "expireAfter")]
    pub expires: i64,
}

/// Says how many calls the caller's account has made and may still make.
#[derive(Command)]
#[command(name = "getApiLimit", roles = "all", answer = "apilimit", view = ApiLimit, since = "4.1")]
pub struct GetApiLimit {}
impl Run for GetApiLimit {
    async fn run(self, call: &Call) -> Result<Answer> {
        let at = call.api_use(call.caller.account_id).await?;
        Ok(Answer::one(ApiLimit {
            accountid: call.caller.account_uuid.clone(),
            account: call.caller.account_name.clone(),
            issued: at.issued,
            allowed: at.allowed,
            expires: at.expires,
        }))
    }
}

/// Begins counting an account's calls anew.
#[derive(Command)]
#[command(name = "resetApiLimit", roles = "admin", since = "4.1", event = "API.LIMIT.RESET")]
pub struct ResetApiLimit {
    /// the ID of the account; everybody's calls when it is not given
    account: Option<Ref<store::Account>>,
}
impl Run for ResetApiLimit {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.api_reset(call, self.account.map(|a| a.0)).await?;
        Ok(Answer::success())
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<GetApiLimit>();
    r.add::<ResetApiLimit>();
}
