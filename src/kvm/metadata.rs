//! What a guest is told of itself, as a tree of names: EC2's at 169.254.169.254, CloudStack's at the router's own address. They differ
//! in two places: EC2 lists public keys by number and has ids of its own, CloudStack has the one key under the same name and the
//! instance's name for its id.
use base64::Engine;
use std::collections::BTreeMap;
use stratus_drivers::{NicSpec, VmSpec};

/// Versions that EC2's clients ask for; all have the same tree here.
const VERSIONS: [&str; 12] = [
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
    "2011-01-01",
    "2014-02-25",
    "2021-07-15",
];

/// Whose tree it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    Ec2,
    CloudStack,
}

/// The names and values of a guest, `meta-data/…` below a version.
pub(crate) fn leaves(vm: &VmSpec, nic: &NicSpec, public: Option<&str>, view: View) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = vm.metadata.clone();
    if view == View::CloudStack {
        // The engine says EC2's id.
        all.remove("instance-id");
    }
    let mut put = |name: &str, value: &str| {
        all.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    };
    put("instance-id", &vm.name);
    put("vm-id", &vm.uuid);
    for name in ["local-hostname", "hostname"] {
        put(name, &vm.host_name);
    }
    put("local-ipv4", &nic.ip);
    // CloudStack tells the guest's own address where there is no other; EC2 has no such name then.
    if let Some(public) = public.or((view == View::CloudStack).then_some(nic.ip.as_str())) {
        put("public-ipv4", public);
        put("public-hostname", public);
    }
    put("mac", &nic.mac);
    for (number, nic) in vm.nics.iter().enumerate() {
        let below = format!("network/interfaces/macs/{}", nic.mac);
        put(&format!("{below}/mac"), &nic.mac);
        put(&format!("{below}/device-number"), &number.to_string());
        put(&format!("{below}/local-ipv4s"), &nic.ip);
    }
    if let Some(key) = &vm.ssh_public_key {
        match view {
            View::Ec2 => put("public-keys/0/openssh-key", key.trim()),
            View::CloudStack => put("public-keys", key.trim()),
        }
    }
    all
}

/// The key's name in EC2's list of keys; ours is not known to hosts.
const KEY_NAME: &str = "key";

/// The answer to a path, or nothing.
pub(crate) fn answer(path: &str, vm: &VmSpec, nic: &NicSpec, public: Option<&str>, view: View) -> Option<Vec<u8>> {
    let path = path.trim_start_matches('/');
    if path.is_empty() {
        return Some((VERSIONS.join("\n") + "\nlatest").into_bytes());
    }
    let (version, rest) = path.split_once('/').unwrap_or((path, ""));
    if version != "latest" && !VERSIONS.contains(&version) {
        return None;
    }
    let leaves = leaves(vm, nic, public, view);
    let data = vm.user_data.as_ref().and_then(|text| base64::engine::general_purpose::STANDARD.decode(text.trim()).ok());
    match rest.trim_end_matches('/') {
        "" if data.is_some() => Some(b"meta-data/\nuser-data".to_vec()),
        "" => Some(b"meta-data/".to_vec()),
        "user-data" => data,
        "meta-data" => Some(list(&leaves, "")),
        "meta-data/public-keys" if view == View::Ec2 => {
            leaves.contains_key("public-keys/0/openssh-key").then(|| format!("0={KEY_NAME}").into_bytes())
        }
        other => {
            // Before there was meta-data/, CloudStack had the names right below the version.
            let name = other.strip_prefix("meta-data/").or((view == View::CloudStack).then_some(other))?;
            match leaves.get(name) {
                Some(value) => Some(value.clone().into_bytes()),
                None => Some(list(&leaves, &format!("{name}/"))).filter(|list| !list.is_empty()),
            }
        }
    }
}

/// What is right below a name, with a slash behind what has more below.
fn list(leaves: &BTreeMap<String, String>, below: &str) -> Vec<u8> {
    let mut names: Vec<String> = Vec::new();
    for name in leaves.keys().filter_map(|name| name.strip_prefix(below)) {
        let name = match name.split_once('/') {
            Some((first, _)) => format!("{first}/"),
            None => name.to_owned(),
        };
        if names.last() != Some(&name) {
            names.push(name);
        }
    }
    names.join("\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vm() -> VmSpec {
        let metadata = BTreeMap::from([("service-offering".to_owned(), "Small".to_owned())]);
        let (user_data, ssh_public_key) = (Some("I2NsAA==".into()), Some("ssh-ed25519 AAAA me\n".into()));
        VmSpec { host_name: "web".into(), user_data, ssh_public_key, metadata, ..crate::domain::tests::vm() }
    }

    fn ask(path: &str, view: View) -> Option<String> {
        let vm = vm();
        answer(path, &vm, &vm.nics[0], None, view).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    #[test]
    fn both_trees_have_their_names() {
        for view in [View::Ec2, View::CloudStack] {
            for (path, value) in [
                ("/latest/user-data", "#cl\0"),
                ("/2009-04-04/user-data", "#cl\0"),
                ("/latest/meta-data/instance-id", "i-2-3-VM"),
                ("/latest/meta-data/local-hostname", "web"),
                ("/latest/meta-data/service-offering", "Small"),
                ("/latest/meta-data/network/interfaces/macs/06:00:00:00:00:01/device-number", "0"),
                ("/latest", "meta-data/\nuser-data"),
            ] {
                assert_eq!(ask(path, view).as_deref(), Some(value), "{path}");
            }
            for path in ["/latest/meta-data/nothing", "/latest/meta-data/instance-id/x", "/never/user-data", "/latest/../x", "/x"] {
                assert_eq!(ask(path, view), None, "{path}");
            }
            let names = ask("/latest/meta-data/", view).unwrap();
            assert!(names.lines().any(|name| name == "network/") && names.lines().any(|name| name == "local-ipv4"), "{names}");
        }
        assert!(ask("/", View::Ec2).unwrap().ends_with("\nlatest"));
    }

    #[test]
    fn keys_are_numbered_for_ec2_and_plain_for_cloudstack() {
        assert_eq!(ask("/latest/meta-data/public-keys/", View::Ec2).unwrap(), "0=key");
        assert_eq!(ask("/latest/meta-data/public-keys/0/", View::Ec2).unwrap(), "openssh-key");
        assert_eq!(ask("/latest/meta-data/public-keys/0/openssh-key", View::Ec2).unwrap(), "ssh-ed25519 AAAA me");
        assert!(ask("/latest/meta-data/", View::Ec2).unwrap().lines().any(|name| name == "public-keys/"));
        for path in ["/latest/meta-data/public-keys", "/latest/public-keys"] {
            assert_eq!(ask(path, View::CloudStack).unwrap(), "ssh-ed25519 AAAA me");
        }
        assert_eq!(ask("/latest/local-ipv4", View::CloudStack).unwrap(), "10.1.1.11");
        assert_eq!((ask("/latest/local-ipv4", View::Ec2), ask("/latest/meta-data/public-ipv4", View::Ec2)), (None, None));
        assert_eq!(ask("/latest/meta-data/public-ipv4", View::CloudStack).unwrap(), "10.1.1.11");
    }
}
