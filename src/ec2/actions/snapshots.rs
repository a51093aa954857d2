//! Snapshots.
use crate::run::one;
use crate::{Cx, Fault, Outcome};

/// The uuid of a snapshot that a disk can be made from; `size` may say its own size.
pub async fn usable(cx: &Cx, given: &str, size: Option<i64>) -> Outcome<String> {
    let uuid = cx.uuid("snap", given).await?;
    one(cx, "listSnapshots", &uuid).await?.ok_or_else(|| cx.not_found("snap", given))?;
    match size {
        Some(_) => Err(Fault::unsupported("A volume has the size of its snapshot here; leave the size out")),
        None => Ok(uuid),
    }
}
