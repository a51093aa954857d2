//! A VM's screen over a websocket, as noVNC reads it. Who has a ticket of `createConsoleEndpoint` gets in, once.
//!
//! A host with a VNC server of its own gives a stream of bytes, which goes through as it is. Simulated hosts have no framebuffer: the
//! text that the guest wrote to its console is painted here.
use crate::rfb::Rfb;
use crate::screen::Screen;
use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use stratus_engine::{ByteStream, Engine};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How often the text is read again.
const LOOK: Duration = Duration::from_millis(700);
/// Longest message of a client: a clipboard and some.
const LONGEST: usize = 2 << 20;

/// `/client/console`: where clients of the original look (`cmd=access&vm=…`), and with a ticket, the socket itself.
pub async fn servlet(Query(asked): Query<HashMap<String, String>>) -> Response {
    match asked.get("vm").filter(|vm| vm.len() == 36 && vm.chars().all(|c| c.is_ascii_hexdigit() || c == '-')) {
        Some(vm) => Redirect::temporary(&format!("/client/#/console/{vm}")).into_response(),
        None => (StatusCode::BAD_REQUEST, "the parameter vm is the ID of a VM\n").into_response(),
    }
}

/// `/client/console/ws?ticket=…`
pub async fn upgrade(
    State(engine): State<Arc<Engine>>,
    Query(asked): Query<HashMap<String, String>>,
    headers: HeaderMap,
    socket: WebSocketUpgrade,
) -> Response {
    if !same_origin(&headers) {
        return (StatusCode::FORBIDDEN, "a page of another site asks\n").into_response();
    }
    let ticket = asked.get("ticket").map(String::as_str).unwrap_or_default();
    let vm = match engine.console_redeem(ticket).await {
        Ok(Some(vm)) => vm,
        Ok(None) => return (StatusCode::FORBIDDEN, "this ticket is not, or no longer, good\n").into_response(),
        Err(e) => {
            tracing::error!(error = %e, "console ticket");
            return (StatusCode::INTERNAL_SERVER_ERROR, "Internal error\n").into_response();
        }
    };
    let name = vm.display_name.clone().unwrap_or_else(|| vm.name.clone());
    let screen = match engine.vm_screen(&vm).await {
        Ok(screen) => screen,
        Err(e) => {
            tracing::warn!(vm = vm.id, error = %e, "a screen cannot be reached");
            return (StatusCode::SERVICE_UNAVAILABLE, "the host of this machine does not give its screen\n").into_response();
        }
    };
    socket.protocols(["binary"]).max_message_size(LONGEST).on_upgrade(move |socket| async move {
        let outcome = match screen {
            Some(screen) => carry(socket, screen).await,
            None => show(&engine, socket, &vm.uuid, &name).await,
        };
        if let Err(e) = outcome {
            tracing::debug!(vm = vm.id, error = %e, "a console ended");
        }
    })
}

/// Browsers say which page opens a socket; only our own may. Other clients say nothing and have their ticket.
fn same_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|v: &axum::http::HeaderValue| v.to_str().ok());
    match (text(header::ORIGIN), text(header::HOST)) {
        (None, _) => true,
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, at)| at == host),
        (Some(_), None) => false,
    }
}

/// What the guest has written, or why it cannot be read.
async fn look(engine: &Engine, vm: &str) -> Screen {
    match engine.vm_console_output(vm).await {
        Ok(text) if text.is_empty() => Screen::of(b"\n  Nothing: the machine does not run, or has not written to its console yet.\n"),
        Ok(text) => Screen::of(&text),
        Err(e) => Screen::of(format!("\n  {e}\n").as_bytes()),
    }
}

/// Carries bytes between a browser and a VNC server until either ends.
async fn carry(mut socket: WebSocket, mut screen: ByteStream) -> Result<(), axum::Error> {
    let mut buffer = vec![0; 32 << 10];
    loop {
        tokio::select! {
            message = socket.recv() => match message.transpose()? {
                Some(Message::Binary(bytes)) => screen.write_all(&bytes).await.map_err(axum::Error::new)?,
                Some(Message::Close(_)) | None => return Ok(()),
                Some(_) => {}
            },
            read = screen.read(&mut buffer) => match read.map_err(axum::Error::new)? {
                0 => return Ok(()),
                n => socket.send(Message::Binary(Bytes::copy_from_slice(&buffer[..n]))).await?,
            },
        }
    }
}

async fn show(engine: &Engine, mut socket: WebSocket, vm: &str, name: &str) -> Result<(), axum::Error> {
    let (mut rfb, hello) = Rfb::new(name, look(engine, vm).await);
    socket.send(Message::Binary(hello.into())).await?;
    let mut clock = tokio::time::interval(LOOK);
    loop {
        let out = tokio::select! {
            message = socket.recv() => match message.transpose()? {
                Some(Message::Binary(bytes)) => match rfb.feed(&bytes) {
                    Ok(out) => out,
                    Err(broken) => {
                        tracing::info!(vm, %broken, "a console's client is sent away");
                        return Ok(());
                    }
                },
                Some(Message::Close(_)) | None => return Ok(()),
                Some(_) => continue,
            },
            _ = clock.tick() => rfb.show(look(engine, vm).await),
        };
        if !out.is_empty() {
            socket.send(Message::Binary(Bytes::from(out))).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_page_opens_a_socket() {
        let headers = |origin: Option<&'static str>| {
            let mut h = HeaderMap::new();
            h.insert(header::HOST, "cloud:8080".parse().expect("a header"));
            if let Some(o) = origin {
                h.insert(header::ORIGIN, o.parse().expect("a header"));
            }
            h
        };
        assert!(same_origin(&headers(None)));
        assert!(same_origin(&headers(Some("http://cloud:8080"))));
        assert!(!same_origin(&headers(Some("http://evil.example"))));
        assert!(!same_origin(&headers(Some("null"))));
    }
}
