//! Who gets in, who does not, and what both sides hear of it.
use crate::world::{Running, World};
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};
use stratus_agent::{AgentError, Authority, Token, fingerprint, request};
use stratus_drivers::Host;
use stratus_sim::Sim;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_once_and_only_at_its_own_servers() {
    let world = World::new(Duration::ZERO).await;
    let sim = Sim::open(None).unwrap();
    let token = world.token("h1");
    let dir = || tempfile::tempdir().unwrap();
    let first = dir();
    let config = world.config(&first, Some(token.clone()));
    let _first = Running::start(config, first, &sim).await.unwrap();
    world.books.until("arrived h1", 1).await;

    let second = dir();
    let again = Running::start(world.config(&second, Some(token.clone())), second, &sim).await;
    assert!(matches!(&again, Err(AgentError::Refused(_, why)) if why.contains("used")), "{:?}", again.err());
    let unknown = Token::new(&world.authority.fingerprint());
    let third = dir();
    assert!(matches!(Running::start(world.config(&third, Some(unknown)), third, &sim).await, Err(AgentError::Refused(..))));
    let foreign = Token { authority: fingerprint(b"another cloud"), ..world.token("h2") };
    let fourth = dir();
    let e = Running::start(world.config(&fourth, Some(foreign)), fourth, &sim).await.err().unwrap();
    assert!(e.to_string().contains("not one of the servers"), "{e}");
    assert_eq!(world.books.invited.lock().unwrap().len(), 1, "a server that the agent does not know hears nothing of the token");
    let fifth = dir();
    assert!(matches!(Running::start(world.config(&fifth, None), fifth, &sim).await, Err(AgentError::NoToken)));
    assert_eq!(world.books.enrolments.load(Ordering::SeqCst), 1);
}

/// A data directory with a certificate of `authority` for `identity` that is good for so long from `from` on.
pub fn identity(world: &World, authority: &Authority, from: SystemTime, good_for: Duration) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (key, csr) = request().unwrap();
    let issued = authority.sign(&csr, "h1", from, good_for).unwrap();
    world.books.known.lock().unwrap().insert(issued.fingerprint, "h1".into());
    std::fs::write(dir.path().join("agent.pem"), format!("{}{key}", issued.pem)).unwrap();
    std::fs::write(dir.path().join("identity"), "h1").unwrap();
    std::fs::write(dir.path().join("authority.pem"), world.authority.certificate()).unwrap();
    dir
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_foreign_expired_or_withdrawn_opens_nothing() {
    let world = World::new(Duration::ZERO).await;
    let sim = Sim::open(None).unwrap();
    let hour = Duration::from_secs(3600);
    let (certificate, key) = Authority::make(SystemTime::now()).unwrap();
    let other = Authority::open(&certificate, &key).unwrap();
    let foreign = identity(&world, &other, SystemTime::now(), hour);
    let _foreign = Running::start(world.config(&foreign, None), foreign, &sim).await.unwrap();
    let why = world.books.until("refused: its certificate is not good here", 1).await;
    drop(_foreign);
    let expired = identity(&world, &world.authority, SystemTime::now() - 48 * hour, hour);
    let _expired = Running::start(world.config(&expired, None), expired, &sim).await.unwrap();
    world.books.until("refused: its certificate is not good here: Expired", 1).await;
    drop(_expired);
    let withdrawn = identity(&world, &world.authority, SystemTime::now(), hour);
    world.books.known.lock().unwrap().clear();
    let _withdrawn = Running::start(world.config(&withdrawn, None), withdrawn, &sim).await.unwrap();
    world.books.until("refused: no host has this certificate", 1).await;
    assert!(!world.hub.is_here("h1"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_two_agents_with_one_identity_keeps_the_seat_while_it_lives() {
    let world = World::new(Duration::ZERO).await;
    let sim = Sim::open(None).unwrap();
    let first = world.agent("h1", &sim).await;
    Host::connect(&*world.hub, "h1", "http://sim/h1").await.unwrap();
    let copy = tempfile::tempdir().unwrap();
    for name in ["agent.pem", "authority.pem", "identity"] {
        std::fs::copy(first.dir.as_ref().unwrap().path().join(name), copy.path().join(name)).unwrap();
    }
    let _second = Running::start(world.config(&copy, None), copy, &sim).await.unwrap();
    let why = world.books.until("refused: another agent with this identity (h1)", 1).await;
    assert!(why.contains("token of its own"), "{why}");
    world.hub.ping("h1").await.unwrap();
    first.kill().await;
    // The second one goes on asking.
    world.books.until("arrived h1", 2).await;
    world.hub.ping("h1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_at_the_door_is_cut_off_and_does_not_keep_others_out() {
    let world = World::new(Duration::ZERO).await;
    let mut noise = tokio::net::TcpStream::connect(world.at).await.unwrap();
    noise.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // An alert or nothing; the connection ends.
    let _ = noise.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"));
    let _silent = tokio::net::TcpStream::connect(world.at).await.unwrap();
    let _agent = world.agent("h1", &Sim::open(None).unwrap()).await;
    assert!(!world.books.told.lock().unwrap().iter().any(|t| t.starts_with("refused")), "noise is no alert");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_certificate_is_renewed_and_the_new_one_opens() {
    let world = World::new(Duration::ZERO).await;
    *world.books.renew.lock().unwrap() = true;
    let sim = Sim::open(None).unwrap();
    // Made here, since an agent may be given its second certificate before anybody could look at its first.
    let dir = identity(&world, &world.authority, SystemTime::now(), Duration::from_secs(3600));
    let file = dir.path().join("agent.pem");
    let before = fingerprint(&pem(&std::fs::read_to_string(&file).unwrap()));
    let agent = Running::start(world.config(&dir, None), dir, &sim).await.unwrap();
    world.books.until("renewed h1", 1).await;
    *world.books.renew.lock().unwrap() = false;
    // Its file changes a moment after the books do.
    let changed = async {
        while fingerprint(&pem(&std::fs::read_to_string(&file).unwrap())) == before {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), changed).await.expect("the fresh certificate is on disk");
    world.books.known.lock().unwrap().remove(&before);
    let dir = agent.kill().await;
    let _again = Running::start(world.config(&dir, None), dir, &sim).await.unwrap();
    world.books.until("arrived h1", 2).await;
}

/// The bytes of the first certificate of a PEM text.
fn pem(text: &str) -> Vec<u8> {
    use tokio_rustls::rustls::pki_types::CertificateDer;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    CertificateDer::from_pem_slice(text.as_bytes()).unwrap().to_vec()
}
