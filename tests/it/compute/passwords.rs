//! Passwords and SSH keys of VMs: told once, kept for the key, reset.
use super::digest;
use crate::it::cloud::{TestCloud, on_both};
use base64::Engine as _;
use serde_json::Value;

on_both! {
    a_password_is_told_once_and_kept_for_the_key in stratus::simulate::BUILT_IN;
    a_key_is_reset_while_stopped in stratus::simulate::BUILT_IN;
}

async fn a_password_is_told_once_and_kept_for_the_key(c: TestCloud) {
    c.with_passwords().await;
    let pair = c.ask("createSSHKeyPair", &[("name", "k")]).await;
    let private = pair["keypair"]["privatekey"].as_str().unwrap().to_owned();
    let vm = c.try_deploy(&c.admin.clone(), &[("keypair", "k")]).await.unwrap()["virtualmachine"].clone();
    let (id, first) = (vm["id"].as_str().unwrap(), vm["password"].as_str().unwrap().to_owned());
    let name = c.vm(id).await.instance_name;
    assert_eq!(c.digest_at(&name), Some(digest(&first)), "the guest fetches the password that was answered");
    let listed = c.ask("listVirtualMachines", &[("id", id)]).await;
    assert_eq!((&listed["virtualmachine"][0]["password"], &listed["virtualmachine"][0]["passwordenabled"]), (&Value::Null, &true.into()));
    let jobs = c.ask("listAsyncJobs", &[]).await.to_string();
    assert!(!jobs.contains(&first) && !jobs.contains("sealed"), "{jobs}");
    let job = c.job_of("deployVirtualMachine").await;
    let asked = c.ask("queryAsyncJobResult", &[("jobid", &job.uuid)]).await;
    assert_eq!(asked["jobresult"]["virtualmachine"]["password"], first.as_str());
    let open = |kept: Value| {
        use rsa::pkcs1::DecodeRsaPrivateKey;
        let key = rsa::RsaPrivateKey::from_pkcs1_pem(&private).unwrap();
        let sealed = base64::engine::general_purpose::STANDARD.decode(kept["password"]["encryptedpassword"].as_str().unwrap()).unwrap();
        String::from_utf8(key.decrypt(rsa::Pkcs1v15Encrypt, &sealed).unwrap()).unwrap()
    };
    assert_eq!(open(c.ask("getVMPassword", &[("id", id)]).await), first);
    let again = c.ask("resetPasswordForVirtualMachine", &[("id", id)]).await["virtualmachine"].clone();
    let second = again["password"].as_str().unwrap().to_owned();
    assert!(second != first && again["state"] == "Running", "{again}");
    assert_eq!(c.digest_at(&name), Some(digest(&second)));
    assert_eq!(open(c.ask("getVMPassword", &[("id", id)]).await), second);
    let world = c.sim.inventory();
    assert_eq!(world.hosts.values().find_map(|h| h.vms.get(&name)).unwrap().starts, 2, "a running VM is restarted for it");
    c.kept_nowhere(&first).await;
    c.kept_nowhere(&second).await;
    assert_eq!(c.engine.passwords_forget().await.unwrap(), 1);
    assert_eq!(c.vm(id).await.password_sealed, None);
    c.settled("passwords").await;
}

async fn a_key_is_reset_while_stopped(c: TestCloud) {
    let id = c.deploy().await;
    c.ask("createSSHKeyPair", &[("name", "k1")]).await;
    c.fails("resetSSHKeyForVirtualMachine", &[("id", &id), ("keypair", "k1")], 431, "is reset while").await;
    c.fails("resetPasswordForVirtualMachine", &[("id", &id)], 431, "cannot set passwords").await;
    c.fails("getVMPassword", &[("id", &id)], 431, "no password kept").await;
    c.ask("stopVirtualMachine", &[("id", &id)]).await;
    c.fails("resetSSHKeyForVirtualMachine", &[("id", &id), ("keypair", "nobody")], 431, "nobody").await;
    let reset = c.ask("resetSSHKeyForVirtualMachine", &[("id", &id), ("keypair", "k1")]).await;
    assert_eq!((&reset["virtualmachine"]["keypair"], &reset["virtualmachine"]["password"]), (&"k1".into(), &Value::Null));
    assert!(c.vm(&id).await.ssh_public_key.unwrap().starts_with("ssh-rsa "));
    c.with_passwords().await;
    let reset = c.ask("resetSSHKeyForVirtualMachine", &[("id", &id), ("keypair", "k1")]).await;
    let password = reset["virtualmachine"]["password"].as_str().unwrap().to_owned();
    let started = c.ask("startVirtualMachine", &[("id", &id)]).await;
    assert_eq!(started["virtualmachine"]["password"], password.as_str(), "it is taken up by the start");
    assert_eq!(c.digest_at(&c.vm(&id).await.instance_name), Some(digest(&password)));
    c.kept_nowhere(&password).await;
    c.settled("keys").await;
}
