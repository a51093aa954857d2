//! Who may what: a policy's denial first, then ownership, then a policy's permission, then ACLs.
use crate::acl::{Acl, Permission};
use crate::policy::{Ask, Policy, Verdict};
use crate::request::Request;
use crate::{Door, Fault, Outcome};
use std::sync::Arc;
use stratus_store::{S3Bucket, S3Object};

/// Something that is to be done with a bucket or in it.
#[derive(Clone, Copy)]
pub struct Act<'a> {
    /// The action of policies.
    pub action: &'a str,
    /// The key, for actions on objects.
    pub key: Option<&'a str>,
    /// The version that is there, for those on what is there.
    pub object: Option<&'a S3Object>,
}

impl<'a> Act<'a> {
    /// On a bucket.
    pub const fn bucket(action: &'a str) -> Self {
        Self { action, key: None, object: None }
    }
    /// On a key that need not be there.
    pub const fn key(action: &'a str, key: &'a str) -> Self {
        Self { action, key: Some(key), object: None }
    }
    /// On what is there.
    pub fn object(action: &'a str, object: &'a S3Object) -> Self {
        Self { action, key: Some(&object.object_key), object: Some(object) }
    }
}

/// What an ACL would have to grant; `None` where only owner and policy count.
fn needed(action: &str) -> Option<(Permission, bool)> {
    Some(match action {
        "s3:ListBucket" | "s3:ListBucketVersions" | "s3:ListBucketMultipartUploads" => (Permission::Read, false),
        "s3:PutObject" | "s3:DeleteObject" | "s3:AbortMultipartUpload" | "s3:ListMultipartUploadParts" => (Permission::Write, false),
        "s3:GetBucketAcl" => (Permission::ReadAcp, false),
        "s3:PutBucketAcl" => (Permission::WriteAcp, false),
        "s3:GetObject" | "s3:GetObjectVersion" | "s3:GetObjectAttributes" => (Permission::Read, true),
        "s3:GetObjectAcl" | "s3:GetObjectVersionAcl" => (Permission::ReadAcp, true),
        "s3:PutObjectAcl" | "s3:PutObjectVersionAcl" => (Permission::WriteAcp, true),
        _ => return None,
    })
}

/// What the owner of a bucket may do with others' objects in it, which is no reading.
fn is_of_object(action: &str) -> bool {
    needed(action).is_some_and(|(_, of_object)| of_object) || matches!(action, "s3:GetObjectTagging" | "s3:PutObjectTagging")
}

impl Door {
    /// The bucket a request names, or that there is none.
    pub(crate) async fn bucket(&self, name: &str) -> Outcome<Arc<S3Bucket>> {
        self.known.bucket(&self.engine, name).await?.ok_or_else(|| Fault::no_bucket(name))
    }

    /// Whether the sender may do this.
    pub(crate) fn may(&self, request: &Request, bucket: &S3Bucket, act: Act<'_>) -> bool {
        let who = request.who.as_deref();
        let mine = |account: i64| who.is_some_and(|c| c.account_id == account);
        // A policy must not lock its own owner out for good.
        let own_policy = mine(bucket.account_id) && act.action.ends_with("BucketPolicy");
        if own_policy {
            return true;
        }
        let verdict = self.verdict(request, bucket, act);
        if verdict == Verdict::Deny {
            return false;
        }
        let owner = match act.object {
            Some(o) if is_of_object(act.action) => mine(o.account_id),
            _ => mine(bucket.account_id),
        };
        if owner || verdict == Verdict::Allow {
            return true;
        }
        let Some((permission, of_object)) = needed(act.action) else { return false };
        let acl = match (of_object, act.object) {
            (true, Some(o)) => Acl::read(&o.acl),
            (true, None) => return false,
            (false, _) => Acl::read(&bucket.acl),
        };
        acl.lets(who, permission)
    }

    /// That the sender may do this.
    pub(crate) fn allow(&self, request: &Request, bucket: &S3Bucket, act: Act<'_>) -> Outcome<()> {
        if self.may(request, bucket, act) { Ok(()) } else { Err(Fault::denied()) }
    }

    fn verdict(&self, request: &Request, bucket: &S3Bucket, act: Act<'_>) -> Verdict {
        let Some(text) = &bucket.policy else { return Verdict::Silent };
        let Ok(policy) = Policy::parse(text, &bucket.name) else {
            // It was read when it was set; if it cannot be read now, nobody but the owner gets in.
            let owner = request.who.as_deref().is_some_and(|c| c.account_id == bucket.account_id);
            return if owner { Verdict::Silent } else { Verdict::Deny };
        };
        let resource = act.key.map_or_else(|| bucket.name.clone(), |k| format!("{}/{k}", bucket.name));
        let value = |key: &str| self.condition_value(request, act, key);
        policy.verdict(&Ask { action: act.action, resource: &resource, who: request.who.as_deref(), value: &value })
    }

    fn condition_value(&self, request: &Request, act: Act<'_>, key: &str) -> Option<String> {
        let who = request.who.as_deref();
        let now = self.engine.clock.now();
        let param = |name: &str| request.params.get(name).map(str::to_owned);
        let header = |name: &str| request.header(name).map(str::to_owned);
        Some(match key {
            "aws:currenttime" => crate::text::iso(now),
            "aws:epochtime" => (now / 1_000_000).to_string(),
            "aws:securetransport" => "false".into(),
            "aws:sourceip" => request.peer?.to_canonical().to_string(),
            "aws:useragent" => return header("user-agent"),
            "aws:referer" => return header("referer"),
            "aws:username" => who?.username.clone(),
            "aws:userid" => who?.user_uuid.clone(),
            "aws:principaltype" => if who.is_some() { "User" } else { "Anonymous" }.into(),
            "s3:prefix" => return param("prefix"),
            "s3:delimiter" => return param("delimiter"),
            "s3:max-keys" => return param("max-keys"),
            "s3:versionid" => return param("versionId"),
            "s3:authtype" => who.map(|_| request.signed.how.to_owned())?,
            "s3:signatureversion" => who.map(|_| request.signed.version.to_owned())?,
            _ => {
                if let Some(name) = key.strip_prefix("s3:existingobjecttag/") {
                    return crate::ops::tagging::read(act.object?.tags.as_deref())
                        .into_iter()
                        .find(|(k, _)| k.to_ascii_lowercase() == name)
                        .map(|(_, v)| v);
                }
                if let Some(name) = key.strip_prefix("s3:requestobjecttag/") {
                    let tags = crate::ops::tagging::of_header(request.header("x-amz-tagging")?).ok()?;
                    return tags.into_iter().find(|(k, _)| k.to_ascii_lowercase() == name).map(|(_, v)| v);
                }
                return header(key.strip_prefix("s3:")?);
            }
        })
    }

    /// The fault for an object that is not there: whoever may not list does not learn that.
    pub(crate) fn missing(&self, request: &Request, bucket: &S3Bucket, fault: Fault) -> Fault {
        if self.may(request, bucket, Act::bucket("s3:ListBucket")) { fault } else { Fault::denied() }
    }
}
