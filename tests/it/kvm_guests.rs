//! What else is done with a real guest: one that boots from a disc onto its host's own storage and does not listen, and one that gets a
//! disc, another password and another key.
use super::agents::{one, text, until};
use super::kvm_scene::{Scene, Store};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use stratus_testkit::disc::{self, disc};
use stratus_testkit::lab::{LIMIT, run, serve};

/// What stands on the disc.
const LINE: &str = "read from the disc";

#[tokio::test(flavor = "multi_thread")]
async fn kvm_guests_boot_from_a_disc_and_take_passwords_and_keys() {
    let Some(mut scene) = Scene::open(Store::Served).await else { return };
    least_privilege(&scene);
    let iso = iso(&scene).await;
    installed(&mut scene, &iso).await;
    let native = scene.native();
    let template = one(&native, "listTemplates", "template", &[("templatefilter", "all"), ("name", "tiny")]).await;
    native.ok("updateTemplate", &[("id", text(&template, "id")), ("passwordenabled", "true")]).await;
    scene.ec2("create_security_group", json!({ "GroupName": "open", "Description": "for the neighbour" }));
    scene.permit("open", true);
    let id = scene.launch(json!({ "SecurityGroups": ["open"] }));
    scene.says(&id, "MARK ready").await;
    let address = scene.address(&id);
    drive(&mut scene, &id, &address, &iso).await;
    busy(&mut scene, &id, &address).await;
    renewed(&mut scene, &id, &address).await;
    scene.ec2("terminate_instances", json!({ "InstanceIds": [id] }));
    scene.is(&id, "terminated").await;
    let end = Instant::now() + LIMIT;
    while !scene.left().is_empty() {
        assert!(Instant::now() < end, "left: {:#?}\n{}", scene.left(), scene.logs());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// An agent has given up what it does not need, and what it runs gets no more.
fn least_privilege(scene: &Scene) {
    for agent in scene.agents.iter().flatten() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
        let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
        let effective = u64::from_str_radix(&line("CapEff:"), 16).unwrap();
        assert_eq!(effective & !stratus::privileges::KEPT.bits(), 0, "{status}");
        assert_eq!((line("CapEff:"), line("NoNewPrivs:").as_str()), (line("CapBnd:"), "1"), "{status}");
    }
}

/// An ISO that boots, registered and ready; its id.
async fn iso(scene: &Scene) -> String {
    let file = scene.lab.folder.join("installer.iso");
    std::fs::write(&file, disc(LINE)).unwrap();
    let (native, url) = (scene.native(), serve(file).await);
    let zone = one(&native, "listZones", "zone", &[]).await;
    let os = native.list("listOsTypes", "ostype", &[("description", "Other Linux (64-bit)")]).await;
    let about = [("name", "installer"), ("displaytext", "installer"), ("url", &url), ("bootable", "true")];
    native.ok("registerIso", &[&about[..], &[("zoneid", text(&zone, "id")), ("ostypeid", text(&os[0], "id"))]].concat()).await;
    until("the ISO", async || {
        let row = one(&native, "listIsos", "iso", &[("isofilter", "all"), ("name", "installer")]).await;
        (row["isready"] == true).then(|| text(&row, "id").to_owned())
    })
    .await
}

/// A blank VM boots from the disc (VM-04); its root disk is on its host's own storage, where it stays (STO-06); it hears no power button
/// and is stopped all the same (VM-06).
async fn installed(scene: &mut Scene, iso: &str) {
    let native = scene.native();
    let zone = one(&native, "listZones", "zone", &[]).await;
    native.ok("updateZone", &[("id", text(&zone, "id")), ("localstorageenabled", "true")]).await;
    let pools = native.list("listStoragePools", "storagepool", &[("scope", "HOST")]).await;
    assert_eq!(pools.len(), 2, "a pool on each host appears by itself: {pools:?}");
    let size = [("name", "here"), ("displaytext", "here"), ("disksize", "1"), ("storagetype", "local")];
    let disk = native.ok("createDiskOffering", &size).await["diskoffering"].clone();
    let offering = one(&native, "listServiceOfferings", "serviceoffering", &[("name", "tiny")]).await;
    let what = [("templateid", iso), ("diskofferingid", text(&disk, "id")), ("serviceofferingid", text(&offering, "id"))];
    let made =
        native.finished("deployVirtualMachine", &[&what[..], &[("zoneid", text(&zone, "id")), ("hypervisor", "KVM")]].concat()).await;
    let vm = &made["virtualmachine"];
    let (uuid, address) = (text(vm, "id"), text(&vm["nic"][0], "ipaddress"));
    let id = instance_at(scene, address);
    scene.says(&id, disc::SAYS).await;

    let at = scene.host_of(&id).await;
    let own = |at: usize| PathBuf::from(scene.lab.hosts[at].settings()["local_storage"].as_str().unwrap());
    let (own, others) = (own(at), own(1 - at));
    assert_eq!((disks(&own), disks(&others)), (1, 0), "the root disk is on the host that runs the VM");
    let away = [("virtualmachineid", uuid), ("hostid", scene.hosts[1 - at].as_str())];
    let refused = native.call("migrateVirtualMachine", &away).await.unwrap();
    let why = match refused.status {
        200 => native.wait(text(&refused.inner, "jobid")).await.1.to_string(),
        _ => refused.text,
    };
    assert!(why.contains("local storage of another host"), "{why}");

    native.finished("stopVirtualMachine", &[("id", uuid)]).await;
    let name = text(vm, "instancename");
    assert_eq!(scene.lab.guest(name), None, "a guest that does not listen loses its power");
    native.finished("startVirtualMachine", &[("id", uuid)]).await;
    assert_eq!(scene.host_of(&id).await, at, "it starts where its disk is");
    native.finished("destroyVirtualMachine", &[("id", uuid), ("expunge", "true")]).await;
    assert_eq!(disks(&own), 0);
}

/// Disks in a pool's folder.
fn disks(pool: &Path) -> usize {
    let files = std::fs::read_dir(pool).into_iter().flatten().filter_map(Result::ok);
    files.filter(|entry| entry.path().is_file()).count()
}

fn instance_at(scene: &mut Scene, address: &str) -> String {
    let found = scene.ec2("describe_instances", json!({ "Filters": [{ "Name": "private-ip-address", "Values": [address] }] }));
    text(&found["Reservations"][0]["Instances"][0], "InstanceId").to_owned()
}

/// A disc that is put into a running guest's drive is read there, and gone when it is taken out (VM-21).
async fn drive(scene: &mut Scene, id: &str, address: &str, iso: &str) {
    let (native, vm) = (scene.native(), scene.vm(id).await);
    let vm = ("virtualmachineid", text(&vm, "id"));
    native.finished("attachIso", &[("id", iso), vm]).await;
    let read = format!("dd if=/dev/sr0 bs=2048 skip={} count=1 2> /dev/null | head -n 1", disc::LINE);
    let end = Instant::now() + LIMIT;
    while scene.ssh_soon(address, &read).await != LINE {
        assert!(Instant::now() < end, "the guest does not see its disc");
    }
    // The disc comes along to a host that has not had it.
    let from = scene.host_of(id).await;
    let to = scene.hosts[1 - from].clone();
    native.finished("migrateVirtualMachine", &[vm, ("hostid", &to)]).await;
    let anew = format!("echo 3 > /proc/sys/vm/drop_caches; {read}");
    assert_eq!(scene.ssh_soon(address, &anew).await, LINE, "the disc after a move");
    native.finished("detachIso", &[vm]).await;
    while scene.ssh_soon(address, &read).await == LINE {
        assert!(Instant::now() < end, "the guest still sees the disc");
    }
}

/// Work in a guest shows in its figures (VM-24).
async fn busy(scene: &mut Scene, id: &str, address: &str) {
    let uuid = text(&scene.vm(id).await, "id").to_owned();
    let native = scene.native();
    let used = async || {
        let vm = one(&native, "listVirtualMachines", "virtualmachine", &[("id", &uuid), ("listall", "true")]).await;
        vm["cpuused"].as_str().and_then(|text| text.trim_end_matches('%').parse::<f64>().ok())
    };
    scene.ssh_soon(address, "(while :; do :; done) > /dev/null 2>&1 & echo $! > /run/busy").await;
    until("a guest that works", async || used().await.filter(|used| *used > 30.0)).await;
    until("a host that works", async || {
        let hosts = native.list("listHosts", "host", &[("type", "Routing")]).await;
        let works = |host: &serde_json::Value| {
            let share = host["cpuused"].as_str().and_then(|text| text.trim_end_matches('%').parse::<f64>().ok());
            let memory = (host["memoryused"].as_i64(), host["memorytotal"].as_i64());
            share > Some(0.0) && memory.0 > Some(0) && memory.0 < memory.1 && host["averageload"].is_i64()
        };
        hosts.iter().all(works).then_some(())
    })
    .await;
    scene.ssh_soon(address, "kill $(cat /run/busy)").await;
    let vm = one(&native, "listVirtualMachines", "virtualmachine", &[("id", &uuid), ("listall", "true")]).await;
    for figure in ["networkkbsread", "networkkbswrite", "diskkbsread", "diskioread", "memorykbs", "memoryintfreekbs"] {
        assert!(vm[figure].as_i64() > Some(0), "{figure}: {vm}");
    }
}

/// A new password and a new key arrive with the next boot (VM-15, VM-17): the guest fetches the password once, and the old key opens
/// nothing any more.
async fn renewed(scene: &mut Scene, id: &str, address: &str) {
    let (native, vm) = (scene.native(), scene.vm(id).await);
    let uuid = text(&vm, "id");
    let (old, new) = (scene.key.clone(), scene.lab.folder.join("another"));
    run("ssh-keygen", &["-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-C", "me", "-f", new.to_str().unwrap()]);
    let public = std::fs::read_to_string(new.with_extension("pub")).unwrap();
    scene.ec2("import_key_pair", json!({ "KeyName": "another", "PublicKeyMaterial": public }));
    native.finished("stopVirtualMachine", &[("id", uuid)]).await;
    native.finished("resetSSHKeyForVirtualMachine", &[("id", uuid), ("keypair", "another")]).await;
    let reset = native.finished("resetPasswordForVirtualMachine", &[("id", uuid)]).await;
    let password = text(&reset["virtualmachine"], "password").to_owned();
    let kept = native.ok("getVMPassword", &[("id", uuid)]).await["password"]["encryptedpassword"].clone();
    let told = scene.ec2("get_password_data", json!({ "InstanceId": id }))["PasswordData"].clone();
    for sealed in [kept, told] {
        assert_eq!(opened(&new, sealed.as_str().unwrap()), password, "only the new key opens it");
    }
    native.finished("startVirtualMachine", &[("id", uuid)]).await;
    scene.key.clone_from(&new);
    let same = format!(
        "h=$(grep ^root: /etc/shadow | cut -d: -f2); s=$(echo \"$h\" | cut -d'$' -f3); \
         [ \"$h\" = \"$(mkpasswd -m sha512 -S \"$s\" '{password}')\" ] && echo same"
    );
    assert_eq!(scene.ssh_soon(address, &same).await, "same", "the password that was told is the guest's");
    let again = "server=$(cat /run/server); timeout 5 wget -q -O - --header 'DomU_Request: send_my_password' http://$server:8080/";
    assert_eq!(scene.ssh_soon(address, again).await, "saved_password", "a password is told once");
    scene.key.clone_from(&old);
    assert_eq!(scene.ssh(address, "hostname"), None, "the old key still opens");
    scene.key = new;
}

/// What was sealed for a key, as its owner opens it.
fn opened(key: &Path, sealed: &str) -> String {
    let file = key.with_extension("sealed");
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, sealed.trim()).unwrap();
    std::fs::write(&file, bytes).unwrap();
    run("openssl", &["pkeyutl", "-decrypt", "-inkey", key.to_str().unwrap(), "-in", file.to_str().unwrap()])
}
