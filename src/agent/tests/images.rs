//! Stores that the server keeps: the contract through the link, and what the door for images lets in.
use crate::doors::identity;
use crate::world::World;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use stratus_agent::{Grant, LIFE, Served, Way};
use stratus_drivers::conformance::{StorageCase, pool_conformance, store_conformance};
use stratus_drivers::{
    DiskRef, DriverError, FetchSpec, Host, ObjectKind, ObjectSpec, PrimaryStorage, SecondaryStorage, StoreDetails, TemplateFacts,
};
use stratus_files::{Kind, digest_of};
use stratus_sim::{Fault, FaultKind, Op, Sim};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

const VIRTUAL: u64 = 64 << 20;

/// A whole qcow2 of so many bytes, the last of which are no zeros.
fn image(bytes: usize) -> Vec<u8> {
    let mut image = vec![0; 3 << 16];
    let fields: [(usize, &[u8]); 6] = [
        (0, b"QFI\xfb\0\0\0\x03"),
        (20, &16_u32.to_be_bytes()),
        (24, &VIRTUAL.to_be_bytes()),
        (36, &1_u32.to_be_bytes()),
        (40, &(1_u64 << 16).to_be_bytes()),
        (100, &104_u32.to_be_bytes()),
    ];
    for (at, field) in fields {
        image[at..at + field.len()].copy_from_slice(field);
    }
    image.extend((0..bytes - image.len()).map(|n| (n % 251) as u8));
    image
}

/// A web server that has one file.
async fn web(file: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/image", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 4096]).await;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", file.len());
            let _ = socket.write_all(head.as_bytes()).await;
            let _ = socket.write_all(&file).await;
        }
    });
    url
}

fn files(root: &Path) -> Vec<PathBuf> {
    let entries = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries(root.to_owned())
        .chain(entries(root.join("incoming")))
        .chain(entries(root.join("objects")))
        .filter(|path| path.is_file())
        .collect()
}

fn fetch(object: &str, url: &str) -> FetchSpec {
    FetchSpec {
        object: object.into(),
        kind: ObjectKind::Template,
        url: url.into(),
        format: "QCOW2".into(),
        checksum: None,
        most_bytes: 1 << 30,
        inside: vec!["127.0.0.0/8".into()],
    }
}

fn disk(pool: &str, path: &str) -> DiskRef {
    DiskRef { pool: pool.into(), path: path.into(), bytes: VIRTUAL }
}

/// A store in a folder, connected.
async fn store(world: &World) -> (tempfile::TempDir, Arc<Served>) {
    let folder = tempfile::tempdir().unwrap();
    let served = world.hub.served();
    served.connect("s0", &format!("file://{}", folder.path().display()), &StoreDetails::new()).await.unwrap();
    (folder, served)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_the_server_keeps_serves_hosts_as_their_own() {
    let world = World::new(Duration::ZERO).await;
    let sim = Sim::open(None).unwrap();
    let _agent = world.agent("h1", &sim).await;
    Host::connect(&*world.hub, "h1", "http://sim/h1").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |disk: &DiskRef| drop(sim.scribble(disk).unwrap());
    let case = StorageCase {
        pool: "p9".into(),
        pool_url: "nfs://sim/p9?size=100G".into(),
        store: "s9".into(),
        store_url: format!("file://{}", folder.path().display()),
        store_details: Default::default(),
        template_url: web(image(1 << 20)).await,
        template_format: "QCOW2".into(),
        inside: vec!["127.0.0.0/8".into()],
        disk_bytes: VIRTUAL,
        write: Some(&write),
    };
    let served = world.hub.served();
    store_conformance(&*served, &case).await;
    pool_conformance(&*world.hub, &*served, &case).await;
    let after = sim.inventory();
    assert_eq!((after.pools["p9"].len(), after.stores["s9"].len()), (0, 0), "something is left at the host");
    assert_eq!(files(folder.path()), Vec::<PathBuf>::new(), "something is left on the store");
    assert_eq!(sim.images(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_has_gone_is_not_made_anew() {
    let world = World::new(Duration::ZERO).await;
    let (folder, served) = store(&world).await;
    // As when what was mounted there is not any more.
    std::fs::remove_dir_all(folder.path()).unwrap();
    for outcome in [served.list("s0").await.map(drop), served.fetch("s0", &fetch("template", "http://127.0.0.1:1/")).await.map(drop)] {
        assert!(matches!(outcome, Err(DriverError::Unreachable(_))), "{outcome:?}");
    }
    assert!(!folder.path().exists());
}

/// Passes connections on; of those after the first, each of `cuts` is cut after so many bytes to the agent.
async fn fragile(server: SocketAddr, cuts: Vec<usize>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counter = count.clone();
    tokio::spawn(async move {
        while let Ok((agent, _)) = listener.accept().await {
            // The enrolment and the seat come first.
            let n = counter.fetch_add(1, Ordering::SeqCst);
            let cut = n.checked_sub(2).and_then(|n| cuts.get(n).copied());
            tokio::spawn(async move {
                let server = TcpStream::connect(server).await.unwrap();
                let ((mut from_agent, mut to_agent), (from_server, mut to_server)) = (agent.into_split(), server.into_split());
                let mut from_server = from_server.take(cut.map_or(u64::MAX, |bytes| bytes as u64));
                tokio::select! {
                    _ = tokio::io::copy(&mut from_agent, &mut to_server) => {}
                    _ = tokio::io::copy(&mut from_server, &mut to_agent) => {}
                }
            });
        }
    });
    (at, count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_breaks_off_is_taken_up_where_it_stopped() {
    let world = World::new(Duration::ZERO).await;
    let (folder, served) = store(&world).await;
    let bytes = image(3 << 20);
    served.fetch("s0", &fetch("template", &web(bytes.clone()).await)).await.unwrap();
    let sim = Sim::open(None).unwrap();
    let (at, connections) = fragile(world.at, vec![1 << 20, 1 << 20]).await;
    let _agent = world.agent_by("h1", &sim, at).await;
    Host::connect(&*world.hub, "h1", "http://sim/h1").await.unwrap();
    PrimaryStorage::connect(&*world.hub, "p0", "nfs://sim/primary").await.unwrap();
    world.hub.create_from_template(&disk("p0", "one"), "template").await.unwrap();
    // Enrolment, seat, and the image in three parts, none of which began at its first byte again.
    assert_eq!(connections.load(Ordering::SeqCst), 5);
    let sum = digest_of(Kind::Sha256, &bytes[..]).unwrap().to_string();
    assert_eq!(world.hub.identity(&disk("p0", "one")).await.unwrap(), sum);
    assert_eq!(sim.inventory().stores["s0"].len(), 0, "what was fetched is not kept");
    assert!(folder.path().join("template").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_whose_call_was_lost_comes_to_no_store() {
    let world = World::new(Duration::ZERO).await;
    let (folder, _served) = store(&world).await;
    let sim = Sim::open(None).unwrap();
    let _agent = world.agent("h1", &sim).await;
    Host::connect(&*world.hub, "h1", "http://sim/h1").await.unwrap();
    PrimaryStorage::connect(&*world.hub, "p0", "nfs://sim/primary").await.unwrap();
    world.hub.create(&disk("p0", "one")).await.unwrap();
    sim.scribble(&disk("p0", "one")).unwrap();
    // The host is at work on it when the server loses the agent; what it has made by then has nowhere to go.
    sim.inject(Fault::nth(Op::Snapshot, 1, FaultKind::Hang));
    let hub = world.hub.clone();
    let lost = tokio::spawn(async move { hub.snapshot(&disk("p0", "one"), "shot", "s0").await });
    sim.until_hanging(1).await;
    world.hub.send_away("h1");
    assert!(matches!(lost.await.unwrap(), Err(DriverError::Unreachable(_))));
    world.books.until("arrived h1", 2).await;
    sim.release_hangs();
    // Asked again, it comes, once.
    let facts = world.hub.snapshot(&disk("p0", "one"), "shot", "s0").await.unwrap();
    assert_eq!(world.hub.snapshot(&disk("p0", "one"), "shot", "s0").await.unwrap(), facts);
    assert_eq!(files(folder.path()).len(), 2, "the snapshot and its facts");
    assert!(matches!(world.hub.create_from_snapshot(&disk("p0", "two"), "none", "s0").await, Err(DriverError::Missing(_))));
}

/// A connection for images, with the certificate of a data directory or none.
async fn door(world: &World, home: Option<&Path>) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(world.authority.certificate().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let mut config = match home {
        Some(home) => {
            let both = std::fs::read(home.join("agent.pem")).unwrap();
            let (own, key) = (CertificateDer::from_pem_slice(&both).unwrap(), PrivateKeyDer::from_pem_slice(&both).unwrap());
            config.with_client_auth_cert(vec![own], key).unwrap()
        }
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let socket = TcpStream::connect(world.at).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("stratus-server").unwrap(), socket).await.unwrap()
}

/// Sends a request and ends; status and what follows.
async fn ask(world: &World, home: Option<&Path>, request: &[u8]) -> (u16, Vec<u8>) {
    let mut tls = door(world, home).await;
    tls.write_all(request).await.unwrap();
    tls.flush().await.unwrap();
    let mut answer = Vec::new();
    let _ = tls.read_to_end(&mut answer).await;
    let head = String::from_utf8_lossy(&answer).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = head.find("\r\n\r\n").map_or(answer.len(), |at| at + 4);
    (status, answer.split_off(body.min(answer.len())))
}

fn request(method: &str, link: &str, more: &str) -> Vec<u8> {
    format!("{method} {link} HTTP/1.1\r\nHost: stratus-server\r\nConnection: close\r\n{more}\r\n").into_bytes()
}

fn grant(way: Way, object: &str, most: u64) -> Grant {
    Grant { way, store: "s0".into(), object: object.into(), most, errand: 1, server: "another".into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_door_for_images_opens_to_hosts_with_a_link_that_is_good() {
    let world = World::new(Duration::ZERO).await;
    let (folder, served) = store(&world).await;
    let bytes = image(300_000);
    served.fetch("s0", &fetch("template", &web(bytes.clone()).await)).await.unwrap();
    let host = identity(&world, &world.authority, SystemTime::now(), Duration::from_secs(3600));
    let home = Some(host.path());
    let links = world.authority.links().unwrap();
    let link = links.make(&grant(Way::Out, "template", 0), SystemTime::now()).unwrap();
    assert_eq!(ask(&world, home, &request("GET", &link, "")).await, (200, bytes.clone()));
    assert_eq!(ask(&world, home, &request("GET", &link, "Range: bytes=299990-\r\n")).await, (206, bytes[299_990..].to_vec()));
    assert_eq!(ask(&world, home, &request("GET", &link, "Range: bytes=300000-\r\n")).await.0, 416);

    let old = links.make(&grant(Way::Out, "template", 0), SystemTime::now() - LIFE - Duration::from_secs(2)).unwrap();
    let other = link.replace("/template?", "/snapshot?");
    let forged = format!("{}{}", &link[..link.len() - 2], if link.ends_with("00") { "11" } else { "00" });
    let cases = [
        ("GET", old.as_str(), "expired"),
        ("GET", &other, "signature"),
        ("GET", &forged, "signature"),
        ("PUT", &link, "signature"),
        ("DELETE", &link, "GET"),
        ("GET", "/images/s0/template", "no link"),
        ("GET", "/etc/passwd", "no link"),
        ("GET", &link.replace("template", "../template"), "no link"),
    ];
    for (method, link, why) in cases {
        let (status, said) = ask(&world, home, &request(method, link, "")).await;
        assert_eq!(status, 403, "{method} {link}");
        assert!(String::from_utf8_lossy(&said).contains(why), "{method} {link}: {}", String::from_utf8_lossy(&said));
    }
    let (status, said) = ask(&world, None, &request("GET", &link, "")).await;
    assert!(status == 403 && String::from_utf8_lossy(&said).contains("certificate"), "{status}");
    world.books.known.lock().unwrap().clear();
    assert_eq!(ask(&world, home, &request("GET", &link, "")).await.0, 403, "a host that was removed");
    assert_eq!(files(folder.path()).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_to_the_door_is_whole_as_it_was_said_and_not_too_much() {
    let world = World::new(Duration::ZERO).await;
    let (folder, served) = store(&world).await;
    let host = identity(&world, &world.authority, SystemTime::now(), Duration::from_secs(3600));
    let home = Some(host.path());
    let links = world.authority.links().unwrap();
    let bytes = image(300_000);
    let checksum = digest_of(Kind::Sha256, &bytes[..]).unwrap().to_string();
    let facts = TemplateFacts { virtual_bytes: VIRTUAL, physical_bytes: 300_000, checksum };
    let what = ObjectSpec { object: "shot".into(), kind: ObjectKind::Snapshot, facts: facts.clone(), made_up: false };
    let put = |grant: Grant, what: &ObjectSpec, length: usize, body: &[u8]| {
        let link = links.make(&grant, SystemTime::now()).unwrap();
        let head = format!("stratus-object: {}\r\nContent-Length: {length}\r\n", serde_json::to_string(what).unwrap());
        [request("PUT", &link, &head), body.to_vec()].concat()
    };
    let good = || grant(Way::In, "shot", VIRTUAL);
    let mut hostile = bytes.clone();
    hostile[8..16].copy_from_slice(&104_u64.to_be_bytes());
    let sum = digest_of(Kind::Sha256, &hostile[..]).unwrap().to_string();
    let lying = ObjectSpec { facts: TemplateFacts { checksum: sum, ..facts.clone() }, ..what.clone() };
    let larger = ObjectSpec { facts: TemplateFacts { physical_bytes: 300_001, ..facts.clone() }, ..what.clone() };
    let cases = [
        (put(grant(Way::In, "shot", 1000), &what, 300_000, &bytes), 413, "1000 are let in"),
        (put(grant(Way::In, "other", VIRTUAL), &what, 300_000, &bytes), 403, "another object"),
        (put(good(), &what, 200_000, &bytes[..200_000]), 400, "Content-Length"),
        (put(good(), &larger, 300_001, &[&bytes[..], b"x"].concat()), 422, "checksum"),
        (put(good(), &lying, 300_000, &hostile), 422, "backing file"),
        (put(grant(Way::In, "shot", 1 << 20), &what, 300_000, &bytes), 422, "at most 1048576"),
        (put(Grant { server: "server".into(), ..good() }, &what, 300_000, &bytes), 410, "over"),
    ];
    for (request, status, why) in cases {
        let (is, said) = ask(&world, home, &request).await;
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(is == status && said.contains(why), "{why}: {is} {said}");
        assert_eq!(files(folder.path()), Vec::<PathBuf>::new(), "{why}");
    }
    // Cut off in the middle.
    let mut tls = door(&world, home).await;
    tls.write_all(&put(good(), &what, 300_000, &bytes[..100_000])).await.unwrap();
    tls.flush().await.unwrap();
    tls.shutdown().await.unwrap();
    let _ = tls.read_to_end(&mut Vec::new()).await;
    assert!(matches!(served.open("s0", "shot").await.map(|r| r.bytes), Err(DriverError::Missing(_))));

    for _ in 0..2 {
        let (status, said) = ask(&world, home, &put(good(), &what, 300_000, &bytes)).await;
        assert_eq!((status, serde_json::from_slice::<TemplateFacts>(&said).unwrap()), (200, facts.clone()));
    }
    assert_eq!(served.list("s0").await.unwrap(), ["shot"]);
    served.delete("s0", "shot").await.unwrap();
    assert_eq!(files(folder.path()), Vec::<PathBuf>::new());
}
