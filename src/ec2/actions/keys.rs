//! Key pairs, with EC2's fingerprints and ids.
use super::tags;
use crate::cx::{object, set, text};
use crate::mapping::request::decode;
use crate::run::dry_run;
use crate::{Cx, Fault, Outcome};
use serde_json::{Value, json};
use std::collections::HashMap;

/// Joins to key pairs what the native record lacks.
pub async fn gather(cx: &Cx, mut records: Vec<Value>) -> Outcome<Vec<Value>> {
    let rows = cx.engine().ec2_keypairs(cx.caller.account_id).await?;
    let rows: HashMap<&str, _> = rows.iter().map(|row| (row.name.as_str(), row)).collect();
    let uuids: Vec<String> = rows.values().map(|row| row.uuid.clone()).collect();
    let mut own = tags::own(cx, "key", &uuids).await?;
    for record in &mut records {
        let Some(row) = rows.get(text(record, "name")) else { continue };
        set(record, "id", row.uuid.as_str());
        set(record, "tags", own.remove(&row.uuid).unwrap_or_default());
        set(record, "created", row.created);
        if !row.ec2_fingerprint.is_empty() {
            set(record, "fingerprint", row.ec2_fingerprint.as_str());
        }
        set(record, "kind", if row.public_key.starts_with("ssh-ed25519") { "ed25519" } else { "rsa" });
        if cx.input.flag("IncludePublicKey") {
            set(record, "publickey", row.public_key.as_str());
        }
    }
    Ok(records)
}

/// `CreateKeyPair`.
pub async fn create(cx: &Cx) -> Outcome<Value> {
    let name = cx.input.require("KeyName")?;
    tags::check_launch(cx, &["key-pair"])?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    made(cx, cx.say("createSSHKeyPair", [("name", name)]).await?).await
}

/// A new key pair with its tags, as an answer shows it.
async fn made(cx: &Cx, answer: Value) -> Outcome<Value> {
    let record = object(answer, Some("keypair"));
    let rows = cx.engine().ec2_keypairs(cx.caller.account_id).await?;
    let uuid = rows.into_iter().find(|row| row.name == text(&record, "name")).map(|row| row.uuid);
    if let Some(uuid) = uuid {
        tags::of_launch(cx, "key-pair", &[uuid]).await?;
    }
    Ok(gather(cx, vec![record]).await?.pop().unwrap_or_default())
}

/// `ImportKeyPair`: the material is base64 of an OpenSSH line, or the line itself.
pub async fn import(cx: &Cx) -> Outcome<Value> {
    let name = cx.input.require("KeyName")?;
    let given = cx.input.require("PublicKeyMaterial")?;
    let line = match given.trim().contains(' ') {
        true => given.to_owned(),
        false => decode(given).and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default(),
    };
    if !["ssh-", "ecdsa-"].iter().any(|start| line.trim_start().starts_with(start)) {
        return Err(Fault::new("InvalidKey.Format", "Key is not in valid OpenSSH public key format"));
    }
    tags::check_launch(cx, &["key-pair"])?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let made = cx.say("registerSSHKeyPair", [("name", name), ("publickey", line.trim())]).await.map_err(|fault| {
        // The name was checked; what is left to be wrong is the key.
        if fault.code == "InvalidParameterValue" && fault.message.contains("publickey") {
            return Fault::new("InvalidKeyPair.Format", fault.message);
        }
        fault
    })?;
    self::made(cx, made).await
}

/// `DeleteKeyPair`: a name that is not there counts as deleted.
pub async fn delete(cx: &Cx) -> Outcome<Value> {
    let rows = cx.engine().ec2_keypairs(cx.caller.account_id).await?;
    let row = match (cx.input.get("KeyName"), cx.input.get("KeyPairId")) {
        (Some(_), Some(_)) => return Err(Fault::combination("Give KeyName or KeyPairId, not both")),
        (Some(name), None) => rows.into_iter().find(|row| row.name == name),
        (None, Some(id)) => {
            let uuid = cx.uuid("key", id).await?;
            Some(rows.into_iter().find(|row| row.uuid == uuid).ok_or_else(|| cx.not_found("key", id))?)
        }
        (None, None) => return Err(Fault::missing("KeyName")),
    };
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    if let Some(row) = &row {
        cx.say("deleteSSHKeyPair", [("name", &row.name)]).await?;
    }
    Ok(json!({ "id": row.map(|row| row.uuid) }))
}
