//! Attributes of images: what they say of themselves, who may launch them, when they are deprecated.
use super::images;
use crate::cx::{pairs, set, text};
use crate::run::dry_run;
use crate::{Cx, Fault, Outcome};
use serde_json::{Value, json};
use std::collections::HashSet;

/// The image that a request names, joined, if the caller may launch it or owns it.
pub async fn named(cx: &Cx, parameter: &str) -> Outcome<Value> {
    let given = cx.input.require(parameter)?;
    find(cx, given).await?.ok_or_else(|| cx.not_found("ami", given))
}

/// An image by its id.
pub async fn find(cx: &Cx, given: &str) -> Outcome<Option<Value>> {
    let uuid = cx.uuid("ami", given).await?;
    for filter in ["executable", "self"] {
        let asked = cx.native("listTemplates", pairs([("id", &uuid), ("templatefilter", filter)])).await;
        let found = match asked {
            Ok(answer) => crate::cx::objects(answer),
            Err(fault) if matches!(fault.code.as_str(), "InvalidAMIID.NotFound" | "UnauthorizedOperation" | "AuthFailure") => Vec::new(),
            Err(fault) => return Err(fault),
        };
        if !found.is_empty() {
            return Ok(images::join_all(cx, found, Vec::new()).await?.into_iter().find(|r| text(r, "id") == uuid));
        }
    }
    Ok(None)
}

/// An image of the caller's own; another's is `AuthFailure`.
pub async fn own(cx: &Cx, parameter: &str) -> Outcome<Value> {
    let image = named(cx, parameter).await?;
    let own = cx.engine().ec2_owner_of(cx.caller.account_id).await?;
    if text(&image, "ownerid") != own && !cx.caller.is_root() {
        return Err(Fault::new("AuthFailure", format!("Not authorized for image:{}", cx.input.require(parameter)?)));
    }
    Ok(image)
}

/// `DescribeImageAttribute`.
pub async fn describe(cx: &Cx) -> Outcome<Value> {
    let attribute = cx.input.require("Attribute")?;
    let image = match attribute {
        "launchPermission" => own(cx, "ImageId").await?,
        _ => named(cx, "ImageId").await?,
    };
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let mut record = json!({ "id": text(&image, "id") });
    let value = match attribute {
        "description" => json!({ "value": text(&image, "displaytext") }),
        "blockDeviceMapping" => image.get("disks").cloned().unwrap_or_default(),
        "launchPermission" => permissions(cx, &image).await?,
        "productCodes" => json!([]),
        "bootMode" => json!({ "value": "legacy-bios" }),
        "deregistrationProtection" => json!({ "value": "disabled" }),
        // kernel, ramdisk, sriovNetSupport, uefiData, tpmSupport, imdsSupport, lastLaunchedTime: known, and never set here.
        _ => json!({}),
    };
    set(&mut record, attribute, value);
    Ok(record)
}

async fn permissions(cx: &Cx, image: &Value) -> Outcome<Value> {
    let shared = cx.say("listTemplatePermissions", [("id", text(image, "id"))]).await?;
    let shared = crate::cx::object(shared, Some("templatepermission"));
    let domain = text(image, "domainid");
    let names = shared.get("account").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let pairs: HashSet<(String, String)> = names.map(|n| (n.to_owned(), domain.to_owned())).collect();
    let mut users: Vec<String> = cx.engine().ec2_owners(&pairs).await?.into_values().collect();
    users.sort();
    let public = image.get("ispublic") == Some(&Value::Bool(true));
    let everybody = public.then(|| json!({ "group": "all" }));
    Ok(everybody.into_iter().chain(users.into_iter().map(|user| json!({ "user": user }))).collect())
}

/// Who is let in and who is not any more.
#[derive(Default)]
struct Sharing {
    public: Option<bool>,
    add: Vec<String>,
    remove: Vec<String>,
}

impl Sharing {
    fn group(&mut self, group: &str, add: bool) -> Outcome<()> {
        if group != "all" {
            return Err(Fault::new("InvalidAMIAttributeItemValue", format!("Invalid group '{group}'; there is only 'all'")));
        }
        self.public = Some(add);
        Ok(())
    }
    fn user(&mut self, user: &str, add: bool) {
        if add { &mut self.add } else { &mut self.remove }.push(user.to_owned());
    }
}

/// `ModifyImageAttribute`: the description, or who may launch, in the form of now or the old one.
pub async fn modify(cx: &Cx) -> Outcome<Value> {
    let attribute = cx.input.get("Attribute").filter(|a| !a.is_empty());
    let description = match attribute {
        Some("description") => cx.input.get("Value").or_else(|| cx.input.get("Description.Value")),
        _ => cx.input.get("Description.Value"),
    };
    let sharing = sharing(cx, attribute)?;
    let image = own(cx, "ImageId").await?;
    match (description, &sharing, attribute) {
        (Some(_), Some(_), _) => return Err(Fault::combination("Give one attribute to change")),
        (None, None, None) => return Err(Fault::missing("Attribute")),
        (None, None, Some("launchPermission")) => return Err(Fault::missing("UserId")),
        (None, None, Some("description")) => return Err(Fault::missing("Value")),
        (None, None, Some(other)) => return Err(Fault::unsupported(format!("The attribute '{other}' cannot be changed here"))),
        _ => {}
    }
    if description.is_some_and(|d| d.chars().count() > 255) {
        return Err(Fault::invalid("Description", "at most 255 characters"));
    }
    let accounts = match &sharing {
        Some(sharing) => Some((names(cx, &image, &sharing.add).await?, names(cx, &image, &sharing.remove).await?)),
        None => None,
    };
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let id = text(&image, "id");
    if let Some(description) = description {
        cx.say("updateTemplate", [("id", id), ("displaytext", description)]).await?;
    }
    if let Some(public) = sharing.and_then(|s| s.public) {
        cx.say("updateTemplatePermissions", [("id", id), ("ispublic", &public.to_string())]).await?;
    }
    if let Some((add, remove)) = accounts {
        for (op, names) in [("add", add), ("remove", remove)] {
            if !names.is_empty() {
                cx.say("updateTemplatePermissions", [("id", id), ("op", op), ("accounts", &names.join(","))]).await?;
            }
        }
    }
    Ok(json!({}))
}

fn sharing(cx: &Cx, attribute: Option<&str>) -> Outcome<Option<Sharing>> {
    let mut sharing = Sharing::default();
    let mut said = false;
    for (word, add) in [("Add", true), ("Remove", false)] {
        let prefix = format!("LaunchPermission.{word}");
        for i in cx.input.indexes(&prefix) {
            said = true;
            match (cx.input.get(&format!("{prefix}.{i}.Group")), cx.input.get(&format!("{prefix}.{i}.UserId"))) {
                (Some(group), None) => sharing.group(group, add)?,
                (None, Some(user)) => sharing.user(user, add),
                _ => return Err(Fault::new("InvalidAMIAttributeItemValue", "Give a Group or a UserId for each permission")),
            }
        }
    }
    let (users, groups) = (cx.input.list("UserId"), cx.input.list("UserGroup"));
    if users.is_empty() && groups.is_empty() {
        return Ok(said.then_some(sharing));
    }
    if attribute.is_some_and(|a| a != "launchPermission") {
        return Err(Fault::combination("UserId and UserGroup belong to the attribute launchPermission"));
    }
    let add = match cx.input.get("OperationType") {
        Some("add") => true,
        Some("remove") => false,
        Some(other) => return Err(Fault::invalid("OperationType", format!("'{other}' is neither add nor remove"))),
        None => return Err(Fault::missing("OperationType")),
    };
    users.into_iter().for_each(|user| sharing.user(user, add));
    groups.into_iter().try_for_each(|group| sharing.group(group, add))?;
    Ok(Some(sharing))
}

/// The names of the accounts that users' ids mean; natively a template is shared within its domain.
async fn names(cx: &Cx, image: &Value, users: &[String]) -> Outcome<Vec<String>> {
    let mut names = Vec::with_capacity(users.len());
    for user in users {
        let unknown = || Fault::new("InvalidAMIAttributeItemValue", format!("Invalid user id '{user}'"));
        let (name, domain) = cx.engine().ec2_account(user, cx.caller.domain_id).await?.ok_or_else(unknown)?;
        if domain != text(image, "domainid") {
            return Err(Fault::new("InvalidAMIAttributeItemValue", format!("'{user}' is of another domain than the image")));
        }
        names.push(name);
    }
    Ok(names)
}

/// `ResetImageAttribute`: nobody but the owner may launch it.
pub async fn reset(cx: &Cx) -> Outcome<Value> {
    if cx.input.require("Attribute")? != "launchPermission" {
        return Err(Fault::invalid("Attribute", "only launchPermission can be reset"));
    }
    let image = own(cx, "ImageId").await?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    cx.say("updateTemplatePermissions", [("id", text(&image, "id")), ("op", "reset")]).await?;
    if image.get("ispublic") == Some(&Value::Bool(true)) {
        cx.say("updateTemplatePermissions", [("id", text(&image, "id")), ("ispublic", "false")]).await?;
    }
    Ok(json!({}))
}

/// `EnableImageDeprecation` and `DisableImageDeprecation`: kept and shown; a deprecated image can still be launched.
pub async fn deprecate(cx: &Cx) -> Outcome<Value> {
    let at = match cx.input.get("DeprecateAt") {
        Some(text) => Some(moment(text).ok_or_else(|| Fault::invalid("DeprecateAt", "must be a date of ISO 8601"))?),
        None => None,
    };
    let image = own(cx, "ImageId").await?;
    if at.is_some_and(|at| at <= cx.now()) {
        return Err(Fault::invalid("DeprecateAt", "must be in the future"));
    }
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    // The native command judges whether the caller may change it, and writes the event.
    cx.say("updateTemplate", [("id", text(&image, "id"))]).await?;
    let at = at.map(|at| at.to_string());
    cx.engine().ec2_attributes_set("ami", &[text(&image, "id").to_owned()], &[("deprecateAt", at.as_deref())]).await?;
    Ok(json!({}))
}

/// Microseconds of `2030-01-01T00:00:00[.000]Z` or with an offset.
fn moment(text: &str) -> Option<i64> {
    let (day, zone) = match text.strip_suffix('Z') {
        Some(day) => (day, "+0000".to_owned()),
        None => {
            let at = text.len().checked_sub(6)?;
            let (day, zone) = text.is_char_boundary(at).then(|| text.split_at(at))?;
            (day, zone.replace(':', ""))
        }
    };
    let whole = day.split('.').next()?;
    stratus_model::parse_date(&format!("{whole}{zone}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_come_in_several_spellings() {
        for text in ["2013-01-01T00:00:00Z", "2013-01-01T00:00:00.000Z", "2013-01-01T02:00:00+02:00"] {
            assert_eq!(moment(text), Some(1_356_998_400_000_000), "{text}");
        }
        assert!(moment("soon").is_none() && moment("").is_none() && moment("ééé").is_none());
    }
}
