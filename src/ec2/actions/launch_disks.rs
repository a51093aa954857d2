//! `BlockDeviceMapping.N` of a launch.
use crate::cx::{number, pairs, text};
use crate::native::Parameters;
use crate::{Cx, Fault, Outcome};
use serde_json::Value;

/// Names of the root device.
const ROOT: &[&str] = &["/dev/sda1", "/dev/sda", "/dev/xvda", "/dev/vda", "sda1", "xvda"];

/// The disks of a launch in native parameters.
#[derive(Debug, Default)]
pub struct Disks {
    /// `diskofferingid`, `size`
    pub native: Parameters,
    /// What the data disk shall be called.
    pub device: Option<String>,
}

/// Reads the mappings. An image's own root disk and one data disk can be had; the rest is said to be unsupported.
pub async fn read(cx: &Cx, image: &str) -> Outcome<Disks> {
    let mut disks = Disks::default();
    for i in cx.input.indexes("BlockDeviceMapping") {
        let prefix = format!("BlockDeviceMapping.{i}");
        let field = |name: &str| cx.input.get(&format!("{prefix}.{name}")).filter(|v| !v.is_empty());
        let device = field("DeviceName").ok_or_else(|| Fault::missing(&format!("{prefix}.DeviceName")))?;
        let dropped = cx.input.get(&format!("{prefix}.NoDevice")).is_some_and(|v| v != "false");
        // No instance storage here: an image's ephemeral disks are left out, as on types that have none.
        if dropped || field("VirtualName").is_some_and(|v| v.starts_with("ephemeral")) {
            continue;
        }
        let size = cx.input.int(&format!("{prefix}.Ebs.VolumeSize"));
        if ROOT.contains(&device) {
            root(cx, image, size).await?;
            continue;
        }
        if field("Ebs.SnapshotId").is_some() {
            return Err(Fault::unsupported("A launch cannot make disks from snapshots here; attach a volume afterwards"));
        }
        let size = size.filter(|s| *s > 0);
        let size = size.ok_or_else(|| Fault::new("InvalidBlockDeviceMapping", format!("{device} needs Ebs.VolumeSize")))?;
        if disks.device.is_some() {
            return Err(Fault::unsupported("A launch makes one data disk at most; attach more volumes afterwards"));
        }
        disks.native = pairs([("diskofferingid", &custom_offering(cx, None).await?), ("size", &size.to_string())]);
        disks.device = Some(device.to_owned());
    }
    Ok(disks)
}

async fn root(cx: &Cx, image: &str, size: Option<i64>) -> Outcome<()> {
    let Some(asked) = size else { return Ok(()) };
    let found = cx.native("listTemplates", pairs([("id", image), ("templatefilter", "executable")])).await?;
    let template = crate::cx::objects(found).pop().unwrap_or_default();
    let bytes = number(&template, "size").unwrap_or(0);
    let gib = u64::try_from(bytes).unwrap_or(0).div_ceil(1 << 30);
    match u64::try_from(asked).unwrap_or(0) {
        small if small < gib => Err(Fault::new("InvalidBlockDeviceMapping", format!("The image needs {gib} GiB"))),
        // A template of unknown or equal size: the disk is the image's.
        same if same == gib => Ok(()),
        _ => Err(Fault::unsupported(format!("Root disks have the size of their image here, {gib} GiB"))),
    }
}

/// A disk offering that takes any size: that of the given name, else one without tags, else any.
pub async fn custom_offering(cx: &Cx, name: Option<&str>) -> Outcome<String> {
    let offerings = cx.list("listDiskOfferings", Parameters::new()).await?;
    let custom: Vec<&Value> = offerings.iter().filter(|o| o.get("iscustomized") == Some(&Value::Bool(true))).collect();
    let named = custom.iter().find(|o| name == Some(text(o, "name")));
    let plain = custom.iter().find(|o| text(o, "tags").is_empty());
    let found = named.or(plain).or(custom.first()).map(|o| text(o, "id").to_owned());
    found.ok_or_else(|| Fault::unsupported("There is no disk offering of a custom size; an administrator can make one"))
}
