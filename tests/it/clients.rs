//! Clients that nobody here wrote, against the real binary.
use super::Server;
use serde_json::Value;

async fn run(program: &str, arguments: &[&str]) {
    let server = Server::start().await;
    if let Some(out) = server.python(program, arguments).await {
        assert!(out.lines().last().is_some_and(|l| l.starts_with("ok")), "{program}: {out}");
    }
}

#[tokio::test]
async fn boto_runs_an_instance_as_the_seeds_show_with_the_version_of_2010() {
    run("boto_seed.py", &["2010-11-15"]).await;
}

#[tokio::test]
async fn boto_runs_an_instance_as_the_seeds_show_with_the_version_of_2012() {
    run("boto_seed.py", &["2012-08-15"]).await;
}

#[tokio::test]
async fn boto3_runs_stops_starts_and_terminates_instances() {
    run("boto3_ec2.py", &[]).await;
}

#[tokio::test]
async fn boto3_keeps_attributes_disks_and_tags_of_a_launch() {
    run("boto3_attributes.py", &[]).await;
}

#[tokio::test]
async fn boto3_changes_what_goes_out_and_rules_by_id() {
    run("boto3_group_rules.py", &[]).await;
}

#[tokio::test]
async fn boto3_sees_one_vpc_and_moves_an_elastic_ip() {
    run("boto3_network.py", &[]).await;
}

#[tokio::test]
async fn boto3_takes_snapshots_makes_images_and_waits_for_them() {
    run("boto3_images.py", &[]).await;
}

#[tokio::test]
async fn every_answer_has_the_shape_that_botocore_knows() {
    run("boto3_shapes.py", &[]).await;
}

#[tokio::test]
async fn what_terraform_asks_is_answered_as_it_expects() {
    run("terraform_replay.py", &[]).await;
}

#[tokio::test]
async fn ids_of_another_account_name_nothing() {
    run("ec2_other_account.py", &[]).await;
}

#[tokio::test]
async fn a_password_is_opened_with_the_launch_key() {
    run("boto3_password.py", &[]).await;
}

#[tokio::test]
async fn ansible_makes_changes_and_removes_instances() {
    if stratus_testkit::python().is_none() {
        return;
    }
    let server = Server::start().await;
    let ansible = stratus_testkit::repository().join(".venv/bin/ansible-playbook");
    let book = stratus_testkit::repository().join("tests/clients/ansible_ec2.yml");
    // What it keeps between runs goes with the server's folder.
    let home = format!("ANSIBLE_HOME={}", server.dir().join("ansible").display());
    let words = [home.as_str(), ansible.to_str().unwrap(), "-i", "localhost,", book.to_str().unwrap()];
    let out = server.run(std::path::Path::new("/usr/bin/env"), &words).await;
    assert!(out.contains("ok every module") && out.contains("failed=0"), "{out}");
}

#[tokio::test]
async fn a_signed_list_users_in_python_works() {
    run("list_users.py", &[]).await;
}

#[tokio::test]
async fn cs_deploys_stops_starts_and_destroys_a_vm() {
    run("cs_deploy.py", &[]).await;
}

#[tokio::test]
async fn libcloud_runs_an_ec2_instance_with_signature_2_and_no_path() {
    run("libcloud_ec2.py", &[]).await;
}

#[tokio::test]
async fn libcloud_deploys_stops_starts_and_destroys_a_node() {
    run("libcloud_node.py", &[]).await;
}

#[tokio::test]
async fn the_aws_command_line_runs_and_terminates_an_instance() {
    if stratus_testkit::python().is_none() {
        return;
    }
    let server = Server::start().await;
    let aws = stratus_testkit::repository().join(".venv/bin/aws");
    let ec2 = async |words: &[&str]| -> Value {
        let out = server.run(&aws, &[&["--endpoint-url", server.fact("/ec2"), "--output", "json", "ec2"], words].concat()).await;
        serde_json::from_str(&out).unwrap_or_default()
    };
    let images = ec2(&["describe-images"]).await;
    let image = images["Images"][0]["ImageId"].as_str().unwrap();
    let run = ec2(&["run-instances", "--image-id", image, "--instance-type", "m1.small", "--count", "1"]).await;
    let id = run["Instances"][0]["InstanceId"].as_str().unwrap();
    ec2(&["wait", "instance-running", "--instance-ids", id]).await;
    let ended = ec2(&["terminate-instances", "--instance-ids", id]).await;
    assert_eq!(ended["TerminatingInstances"][0]["InstanceId"], id);
}

#[tokio::test]
async fn curl_needs_no_keys_at_the_integration_port() {
    let Some(curl) = stratus_testkit::tool("curl", "curl") else { return };
    let server = Server::start().await;
    let ask = format!("{}?command=listHosts&type=Routing&response=json", server.fact("/integration"));
    let hosts: Value = serde_json::from_str(&server.run(&curl, &["--silent", "--fail", &ask]).await).unwrap();
    assert!(hosts["listhostsresponse"]["count"].as_i64() > Some(0), "{hosts}");
    // As the documentation has it, to switch EC2 on.
    let switch = format!("{}?command=updateConfiguration&name=enable.ec2.api&value=true", server.fact("/integration"));
    assert!(server.run(&curl, &["--silent", "--fail", &switch]).await.contains("enable.ec2.api"));
}
