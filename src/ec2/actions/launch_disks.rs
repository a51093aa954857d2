//! `BlockDeviceMapping.N` of a launch: the root disk, and data disks of a size or from snapshots. One data disk can be made with the VM;
//! the others are made beside it and attached when it is up.
use crate::cx::{number, pairs, text};
use crate::mapping::request::parse_flag;
use crate::native::Parameters;
use crate::{Cx, Fault, Outcome, PATIENCE};
use serde_json::Value;
use stratus_engine::ec2_facts::DiskFacts;

/// Names of the root device.
const ROOT: &[&str] = &["/dev/sda1", "/dev/sda", "/dev/xvda", "/dev/vda", "sda1", "xvda"];
/// Data disks of one VM: device numbers 1 to 15 without that of the CD-ROM.
const MOST: usize = 14;

/// A data disk of a launch.
#[derive(Debug, Clone)]
pub struct Disk {
    /// Its name, `/dev/sdf`.
    device: String,
    /// What it is made with.
    native: Parameters,
    /// Whether it goes with its instance.
    goes: bool,
}

/// The disks of a launch.
#[derive(Debug, Default)]
pub struct Disks {
    /// For the VM itself: `diskofferingid` and `size` of its first data disk, `rootdisksize`.
    pub native: Parameters,
    /// Whether the root disk goes with its instance.
    root_stays: bool,
    /// The data disk that is made with the VM.
    first: Option<Disk>,
    /// The others.
    more: Vec<Disk>,
}

/// Whether a name is the root device's.
pub fn is_root(device: &str) -> bool {
    ROOT.contains(&device)
}

/// Reads the mappings.
pub async fn read(cx: &Cx, image: &str) -> Outcome<Disks> {
    let mut disks = Disks::default();
    let mut names: Vec<&str> = Vec::new();
    for i in cx.input.indexes("BlockDeviceMapping") {
        let prefix = format!("BlockDeviceMapping.{i}");
        let field = |name: &str| cx.input.get(&format!("{prefix}.{name}")).filter(|v| !v.is_empty());
        let device = field("DeviceName").ok_or_else(|| Fault::missing(&format!("{prefix}.DeviceName")))?;
        if names.contains(&device) {
            return Err(Fault::new("InvalidBlockDeviceMapping", format!("{device} is mapped twice")));
        }
        names.push(device);
        let dropped = cx.input.get(&format!("{prefix}.NoDevice")).is_some_and(|v| v != "false");
        // No instance storage here: an image's ephemeral disks are left out, as on types that have none.
        if dropped || field("VirtualName").is_some_and(|v| v.starts_with("ephemeral")) {
            continue;
        }
        let size = cx.input.int(&format!("{prefix}.Ebs.VolumeSize"));
        let goes = field("Ebs.DeleteOnTermination").and_then(parse_flag).unwrap_or(true);
        if ROOT.contains(&device) {
            disks.root_stays = !goes;
            root(cx, image, size, &mut disks.native).await?;
            continue;
        }
        let disk = data(cx, device, size, field("Ebs.SnapshotId"), goes).await?;
        match &disks.first {
            None if !disk.native.contains_key("snapshotid") => {
                disks.native.extend(disk.native.clone());
                disks.first = Some(disk);
            }
            _ => disks.more.push(disk),
        }
    }
    if disks.more.len() + usize::from(disks.first.is_some()) > MOST {
        return Err(Fault::new("InvalidBlockDeviceMapping", format!("An instance has {MOST} data disks at most")));
    }
    Ok(disks)
}

async fn data(cx: &Cx, device: &str, size: Option<i64>, snapshot: Option<&str>, goes: bool) -> Outcome<Disk> {
    let mut native = Parameters::new();
    if let Some(snapshot) = snapshot {
        let uuid = super::snapshots::usable(cx, snapshot, size).await?;
        native.insert("snapshotid".into(), uuid);
        native.extend(size.map(|gib| ("size".to_owned(), gib.to_string())));
    } else {
        let size = size.filter(|s| *s > 0);
        let size = size.ok_or_else(|| Fault::new("InvalidBlockDeviceMapping", format!("{device} needs Ebs.VolumeSize")))?;
        native = pairs([("diskofferingid", &custom_offering(cx, None).await?), ("size", &size.to_string())]);
    }
    Ok(Disk { device: device.to_owned(), native, goes })
}

async fn root(cx: &Cx, image: &str, size: Option<i64>, native: &mut Parameters) -> Outcome<()> {
    let Some(asked) = size else { return Ok(()) };
    let found = cx.native("listTemplates", pairs([("id", image), ("templatefilter", "executable")])).await?;
    let template = crate::cx::objects(found).pop().unwrap_or_default();
    let bytes = number(&template, "size").unwrap_or(0);
    let gib = u64::try_from(bytes).unwrap_or(0).div_ceil(1 << 30);
    match u64::try_from(asked).unwrap_or(0) {
        small if small < gib => Err(Fault::new("InvalidBlockDeviceMapping", format!("The image needs {gib} GiB"))),
        same if same == gib => Ok(()),
        more => {
            native.insert("rootdisksize".into(), more.to_string());
            Ok(())
        }
    }
}

impl Disks {
    /// Whether there is anything to do once VMs are made.
    pub fn is_plain(&self) -> bool {
        self.first.is_none() && self.more.is_empty() && !self.root_stays
    }

    /// Gives the disks that came with a VM their names and their fate.
    pub async fn settle(&self, cx: &Cx, made: &[DiskFacts]) -> Outcome<()> {
        for disk in made {
            match (&self.first, disk.device) {
                (_, 0) if self.root_stays => cx.engine().ec2_delete_with_vm_set(&disk.uuid, false).await?,
                (Some(first), device) if device != 0 => {
                    cx.engine().ec2_device_set(&disk.uuid, Some(&first.device)).await?;
                    cx.engine().ec2_delete_with_vm_set(&disk.uuid, first.goes).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes the other disks of one VM and asks for their attachment, which waits for the VM; the new volumes.
    pub async fn make(&self, cx: &Cx, vm: &str, zone: &str) -> Outcome<Vec<String>> {
        let mut made = Vec::with_capacity(self.more.len());
        for disk in &self.more {
            let mut native = disk.native.clone();
            native.extend(pairs([("name", &format!("ec2-{}", uuid::Uuid::new_v4().simple())), ("zoneid", zone)]));
            let begun = cx.native("createVolume", native).await?;
            let volume = text(&begun, "id").to_owned();
            if let Some(job) = begun.get("jobid").and_then(Value::as_str) {
                cx.door.native.wait(job, PATIENCE).await.map_err(|e| cx.fault(e))?;
            }
            cx.engine().ec2_device_set(&volume, Some(&disk.device)).await?;
            cx.engine().ec2_delete_with_vm_set(&volume, disk.goes).await?;
            let mut native = pairs([("id", &volume), ("virtualmachineid", vm)]);
            if let Some(number) = super::disks::number_of(&disk.device) {
                native.insert("deviceid".into(), number.to_string());
            }
            cx.native("attachVolume", native).await?;
            made.push(volume);
        }
        Ok(made)
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
