//! What nobody should send: each gets a document that says what is wrong, and the server goes on.
use super::Server;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Sends bytes and reads what comes until the server closes.
fn exchange(server: &Server, door: &str, request: &[u8]) -> String {
    let port = server.ready["ports"][door].as_u64().unwrap() as u16;
    let mut s = TcpStream::connect(("127.0.0.1", port)).unwrap();
    s.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The server may answer before it has read all.
    let _ = s.write_all(request);
    let mut out = Vec::new();
    s.read_to_end(&mut out).unwrap();
    String::from_utf8_lossy(&out).into_owned()
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").into_bytes()
}

fn post(path: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("no status in {answer:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_gets_a_document_and_the_server_goes_on() {
    let server = Server::start().await;
    let long = "a".repeat(2_000_000);
    let medium = "a".repeat(100_000);
    let form = "application/x-www-form-urlencoded";
    let bomb = b"<?xml version=\"1.0\"?><!DOCTYPE b [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;\">]><b>&b;</b>";
    for (door, path, error) in [("native", "/client/api", "errortext"), ("aws", "/awsapi", "<Message>")] {
        for request in [
            get(&format!("{path}?command=listZones&x={long}")),
            get(&format!("{path}?command=listZones&x={medium}")),
            get(&format!("{path}?%")),
            get(&format!("{path}?command=listZones&name=%ff%fe")),
            get(path),
            get(&format!("{path}?command=noSuchCommand&Action=NoSuchAction&response=json")),
            post(path, form, b"command=listZones&name=\xff\xfe"),
            post(path, form, format!("command=listZones&name={long}").as_bytes()),
            post(path, "text/xml", bomb),
            post(path, form, b""),
        ] {
            let answer = exchange(&server, door, &request);
            let shown = String::from_utf8_lossy(&request[..request.len().min(120)]).into_owned();
            assert!((400..600).contains(&status(&answer)), "{door} {shown}: {answer}");
            // What looks like SOAP is answered with a fault.
            assert!(answer.contains(error) || answer.contains("<faultstring>"), "{door} {shown}: {answer}");
        }
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
    assert!(!server.native().list("listZones", "zone", &[]).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_401_and_leave_one_line_without_secrets() {
    let server = Server::start_with(&["--simulate", "none"]).await;
    let (key, secret) = (server.fact("/admin/api_key"), server.fact("/admin/secret_key"));
    let before = server.log().lines().count();
    for (key, secret) in [(key, "wrong"), ("unknown-key", secret)] {
        let a = server.native().with_keys(key, secret).call("listZones", &[]).await.unwrap();
        assert_eq!((a.status, a.inner["errorcode"].as_i64()), (401, Some(401)), "{}", a.text);
    }
    let log = server.log();
    assert!(!log.contains(secret), "{log}");
    assert_eq!(log.lines().count(), before + 2, "one line a refusal: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_says_nothing_harms_nobody() {
    let server = Server::start_with(&["--simulate", "none"]).await;
    let port = server.ready["ports"]["native"].as_u64().unwrap() as u16;
    let silent: Vec<_> = (0..300).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    server.native().ok("listZones", &[]).await;
    let (status, _dir) = server.terminate().await;
    assert_eq!(status.code(), Some(0));
    drop(silent);
}
