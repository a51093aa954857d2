//! Client tokens: a request that is sent again (SDKs do so by themselves) makes nothing a second time.
use crate::{Cx, Fault, Outcome};
use sha2::{Digest, Sha256};
use std::time::Duration;
use stratus_engine::ec2_id::Claim;

/// The request's token, if it has one.
fn token(cx: &Cx) -> Outcome<Option<&str>> {
    let Some(token) = cx.input.get("ClientToken").filter(|t| !t.is_empty()) else { return Ok(None) };
    if token.len() > 64 || !token.is_ascii() {
        return Err(Fault::invalid("ClientToken", "must be at most 64 ASCII characters"));
    }
    Ok(Some(token))
}

/// Takes the token. `Some` is what its request made before; `None` says that the work is to be done, and then [`settle`]d.
pub async fn claim(cx: &Cx) -> Outcome<Option<String>> {
    let Some(token) = token(cx)? else { return Ok(None) };
    let request: String = Sha256::digest(cx.input.essence().as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
    for _ in 0..40 {
        match cx.engine().ec2_token_claim(cx.caller.account_id, &cx.action.name, token, &request).await? {
            Claim::Mine => return Ok(None),
            Claim::Done(made) => return Ok(Some(made)),
            Claim::Mismatch => {
                let why = "The client token was used before with other parameters";
                return Err(Fault::new("IdempotentParameterMismatch", why));
            }
            // The first try is still at work; an impatient client asks again meanwhile.
            Claim::Pending => tokio::time::sleep(Duration::from_millis(250)).await,
        }
    }
    Err(Fault::new("ServiceUnavailable", "An earlier request with this client token is still at work"))
}

/// Keeps what was made under the token, or gives the token back when nothing was.
pub async fn settle(cx: &Cx, outcome: &Outcome<String>) -> Outcome<()> {
    let Some(token) = token(cx)? else { return Ok(()) };
    let (account, action) = (cx.caller.account_id, cx.action.name.as_str());
    match outcome {
        Ok(made) => cx.engine().ec2_token_answer(account, action, token, made).await?,
        Err(_) => cx.engine().ec2_token_drop(account, action, token).await?,
    }
    Ok(())
}
